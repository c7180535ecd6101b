import { dirname } from "node:path";
import { commands, type Memento, window } from "vscode";
import { needsEngine, type Outcome } from "./installation";

const ASKED = "askedToInstall";
/** The last Python that was found and offered. */
const OFFERED = "offeredInterpreter";

/** What the user is told where the server could not be installed; the button helps on. */
interface Problem {
  status: string;
  message: string;
  button: string;
  help: () => unknown;
}

const PROBLEMS: Partial<Record<Outcome, Problem>> = {
  "no python": {
    status: "There is no Python 3.10 or newer",
    message: "dg-lsp needs Python 3.10 or newer. Install it, or name one that has dg-lsp in dg.interpreter.",
    button: "Open the setting",
    help: () => commands.executeCommand("workbench.action.openSettings", "dg.interpreter"),
  },
  failed: {
    status: "The server could not be installed: see the log",
    message: "dg-lsp could not be installed: the last lines of the log say why.",
    button: "Show the log",
    help: () => commands.executeCommand("dg.log"),
  },
};

export function problem(outcome: Outcome): Problem | undefined {
  return PROBLEMS[outcome];
}

export async function tell({ message, button, help }: Problem): Promise<void> {
  if (await window.showErrorMessage(message, button)) {
    await help();
  }
}

export type Choice = "use" | "install" | undefined;

/** Ask for the server: once on a machine whether to install one, and once for each that was `found`. */
export async function askOnce(memory: Memento, found: string | undefined): Promise<Choice> {
  const [key, value] = found === undefined ? [ASKED, true] : [OFFERED, found];
  if (memory.get(key) === value) {
    return undefined;
  }
  await memory.update(key, value);
  return ask(found);
}

/** Ask whether to install the server, or to use the Python that was `found` to have it. */
export async function ask(found: string | undefined): Promise<Choice> {
  const size = needsEngine() ? "1 GB" : "100 MB";
  if (found === undefined) {
    const question = `dg-lsp needs its server: a Python environment of about ${size}, made for this extension alone.`;
    return (await window.showInformationMessage(question, "Install", "Not now")) === "Install" ? "install" : undefined;
  }
  const folder = dirname(dirname(found));
  const question = `dg-lsp needs its server, and ${folder} has it. Use that, or install another for this extension alone (about ${size})?`;
  const answer = await window.showInformationMessage(question, "Use it", "Install another", "Not now");
  return answer === "Use it" ? "use" : answer === "Install another" ? "install" : undefined;
}

/** Ask whether an environment shall be made although a server runs. */
export async function confirmAnew(): Promise<boolean> {
  const question = "dg-lsp: the server runs already. Shall the extension's own environment be made anew?";
  return (await window.showInformationMessage(question, "Install anew")) === "Install anew";
}
