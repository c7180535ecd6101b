import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { extensions, workspace } from "vscode";
import { run } from "./processes";

const OLDEST = [3, 10] as const;

/** The full path of a program on PATH. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    if (await isProgram(path)) {
      return path;
    }
  }
  return undefined;
}

/** Whether there is a file at `path` that can be run. */
export async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The interpreter that the Python extension has selected for the workspace, where that extension is there. */
export async function selectedInterpreter(): Promise<string | undefined> {
  const python = extensions.getExtension<PythonExtension>("ms-python.python");
  if (python === undefined) {
    return undefined;
  }
  const active = await Promise.resolve(python.activate()).catch(() => undefined); // what is wrong with it is its own affair
  return active?.environments?.getActiveEnvironmentPath(workspace.workspaceFolders?.[0]?.uri).path;
}

interface PythonExtension {
  environments?: { getActiveEnvironmentPath(resource: unknown): { path: string } };
}

/** Whether `interpreter` can import dg_lsp. */
export async function hasServer(interpreter: string): Promise<boolean> {
  const find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('dg_lsp') is None)";
  return (await run(interpreter, ["-c", find])).status === 0;
}

/** A Python on this machine that is new enough. */
export async function anyPython(): Promise<string | undefined> {
  const versioned = [14, 13, 12, 11, 10].map((minor) => `python3.${minor}`);
  for (const name of ["python3", "python", ...versioned]) {
    const path = await onPath(name);
    if (path !== undefined && (await isNewEnough(path))) {
      return path;
    }
  }
  return undefined;
}

async function isNewEnough(python: string): Promise<boolean> {
  const check = `import sys; sys.exit(sys.version_info < (${OLDEST.join(", ")}))`;
  return (await run(python, ["-c", check])).status === 0;
}
