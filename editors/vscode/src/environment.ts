import { readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ExtensionContext, workspace } from "vscode";
import type { Installation } from "./installation";
import { hasServer, isProgram, onPath, selectedInterpreter } from "./python";
import { ownSetting, withHome } from "./settings";

/** How to run dg-lsp: `[program, ...arguments]`, to which a subcommand may be added. */
export interface ServerCommand {
  readonly program: string;
  readonly args: string[];
}

/**
 * Where the server is: in the interpreter that the user set, on PATH, in the interpreter selected for the workspace,
 * or in the extension's own environment. Throws `NoServer` where the user's interpreter is of no use;
 * undefined: nowhere.
 */
export async function findServer(installation: Installation): Promise<ServerCommand | undefined> {
  const wanted = ownSetting("interpreter");
  if (wanted !== "") {
    return wantedInterpreter(wanted);
  }
  const program = await onPath("dg-lsp");
  if (program !== undefined) {
    return { program, args: [] };
  }
  const selected = await selectedInterpreter();
  if (selected !== undefined && (await hasServer(selected))) {
    return module(selected);
  }
  const own = await installation.interpreter();
  return own === undefined ? undefined : module(own);
}

/**
 * A Python with dg-lsp that nobody has named: in the `.venv` of a folder of the workspace, or of the checkout in which
 * this extension was built (`make vscode` notes it). It is used when the user says so.
 */
export async function foundInterpreter(context: ExtensionContext): Promise<string | undefined> {
  const checkout = await readFile(context.asAbsolutePath("checkout"), "utf8").catch(() => "");
  const folders = [...(workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath), checkout.trim()];
  for (const folder of folders.filter(Boolean)) {
    const interpreter = join(folder, ".venv", "bin", "python");
    if ((await isProgram(interpreter)) && (await hasServer(interpreter))) {
      return interpreter;
    }
  }
  return undefined;
}

async function wantedInterpreter(path: string): Promise<ServerCommand> {
  const interpreter = path.includes("/") ? withHome(path) : await onPath(path);
  if (interpreter === undefined || !(await isProgram(interpreter))) {
    throw new Error(`dg.interpreter: there is no program ${path}`);
  }
  if (!(await hasServer(interpreter))) {
    throw new Error(`dg.interpreter: ${path} has no dg-lsp; run: ${path} -m pip install 'dg-lsp[engine]'`);
  }
  return module(interpreter);
}

function module(interpreter: string): ServerCommand {
  return { program: interpreter, args: ["-m", "dg_lsp"] };
}

/** How to run `dg-engine` of the same installation; undefined where it is not beside the server. */
export async function engineCommand({ program, args }: ServerCommand): Promise<ServerCommand | undefined> {
  if (args.length > 0) {
    return { program, args: ["-m", "engine.cli"] };
  }
  const target = await realpath(program).catch(() => program); // it may be gone since
  for (const path of [program, target]) { // it may be a link to where both are
    const engine = join(dirname(path), "dg-engine");
    if (await isProgram(engine)) {
      return { program: engine, args: [] };
    }
  }
  return undefined;
}
