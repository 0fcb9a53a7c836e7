/** A Java program that is asked one thing after another: frames of int32 size and content over its stdin and stdout. */
import { spawn } from 'node:child_process';

import { javaProgram } from './kafka-jars.ts';

const STDERR_CHARACTERS_MAX = 4_000;

export interface JavaProgram {
  /** The answer to a frame; frames are answered in order. */
  ask(frame: Buffer): Promise<Buffer>;
  close(): Promise<void>;
}

/** Starts a program of ./java. Errors: PeerMissing. */
export async function startJava(name: string): Promise<JavaProgram> {
  const child = spawn('java', await javaProgram(name), { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void }[] = [];
  let errors = '';
  let parts: Buffer[] = [];
  let size = 0;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-STDERR_CHARACTERS_MAX);
  });
  child.stdout.on('data', (part: Buffer) => {
    parts.push(part);
    size += part.length;
    for (;;) {
      if (size < 4) return;
      if (parts[0].length < 4) parts = [Buffer.concat(parts)];
      const end = 4 + parts[0].readInt32BE(0);
      if (size < end) return;
      const all = parts.length === 1 ? parts[0] : Buffer.concat(parts);
      parts = [all.subarray(end)];
      size -= end;
      waiting.shift()!.resolve(all.subarray(4, end));
    }
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('close', (code) => {
    for (const { reject } of waiting) reject(new Error(`${name} ended with ${code}: ${errors}`));
  });
  return {
    ask(frame) {
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        const head = Buffer.alloc(4);
        head.writeInt32BE(frame.length, 0);
        child.stdin.write(head);
        child.stdin.write(frame);
      });
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
