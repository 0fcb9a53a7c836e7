/** `headrace completion`: its words. */
import type { Command } from 'commander';
import { completionScript } from '../../src/cli/completion/scripts.ts';
import { fail } from '../run-command.ts';

export function define(completion: Command): void {
  completion
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      `
bash: source <(headrace completion bash)          in ~/.bashrc
zsh:  source <(headrace completion zsh)           in ~/.zshrc, behind compinit
fish: headrace completion fish > ~/.config/fish/completions/headrace.fish`,
    )
    .action((shell: string, _: object, command: Command) => {
      try {
        process.stdout.write(completionScript(shell));
      } catch (error) {
        fail(error, { command, bootstrap: '' });
      }
    });
}
