import { commands, type Memento, window } from "vscode";
import { needsEngine, type Outcome } from "./installation";

const ASKED = "askedToInstall";

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

/** Ask, once on a machine, whether the server shall be installed. */
export async function askOnce(memory: Memento): Promise<boolean> {
  if (memory.get(ASKED)) {
    return false;
  }
  await memory.update(ASKED, true);
  const size = needsEngine() ? "1 GB" : "100 MB";
  const question = `dg-lsp needs its server: a Python environment of about ${size}, made for this extension alone.`;
  return (await window.showInformationMessage(question, "Install", "Not now")) === "Install";
}

/** Ask whether an environment shall be made although a server runs. */
export async function confirmAnew(): Promise<boolean> {
  const question = "dg-lsp: the server runs already. Shall the extension's own environment be made anew?";
  return (await window.showInformationMessage(question, "Install anew")) === "Install anew";
}
