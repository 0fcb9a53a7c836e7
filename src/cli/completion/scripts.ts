/** What a shell loads to complete `headrace`: it asks the program itself, so that it is never out of date. */
import { UsageError } from '../command.ts';

const BASH = `_headrace() {
  local IFS=$'\\n'
  COMPREPLY=($(headrace complete-words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _headrace headrace
`;

const ZSH = `#compdef headrace
_headrace() {
  local -a found
  found=("\${(@f)$(headrace complete-words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=("\${(@)found//:/\\\\:}")
  found=("\${(@)found/$'\\t'/:}")
  if [[ -n $found ]]; then _describe headrace found; else _files; fi
}
compdef _headrace headrace
`;

const FISH = `complete -c headrace -f -a '(headrace complete-words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c headrace -n '__fish_seen_subcommand_from produce' -F
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function completionScript(shell: string): string {
  const script = SCRIPTS[shell];
  if (script === undefined) throw new UsageError(`${shell}: choose from ${Object.keys(SCRIPTS).join(', ')}`);
  return script;
}
