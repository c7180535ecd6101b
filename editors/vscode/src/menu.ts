import { commands, type QuickPickItem, QuickPickItemKind, type TextDocument, window } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { Pause } from "./pause";
import { clock, type Facts, facts } from "./snooze";
import type { Status } from "./status";

interface Choice extends QuickPickItem {
  run?: () => unknown;
}

/** The menu behind the status bar item. */
export async function showMenu(status: Status, pause: Pause, client: LanguageClient | undefined): Promise<void> {
  const options = { title: `dg-lsp: ${status.line}`, placeHolder: "Choose what to do" };
  const document = window.activeTextEditor?.document;
  const told: Promise<Facts> = client ? facts(client).catch(() => ({})) : Promise.resolve({});
  const chosen = await window.showQuickPick<Choice>(
    told.then((known) => choices(pause, document, known)),
    options,
  );
  // A click on the status bar has taken the focus from the text; what is chosen may take it further.
  await commands.executeCommand("workbench.action.focusActiveEditorGroup");
  await chosen?.run?.();
}

function choices(pause: Pause, document: TextDocument | undefined, { snoozed_until, today }: Facts): Choice[] {
  return [
    ...(snoozed_until === undefined ? [] : [snoozeChoice(snoozed_until)]),
    ...(document ? pauseChoices(pause, document) : []),
    { label: toggled("everywhere", pause.hasAll()), run: () => pause.toggleAll() },
    { label: "", kind: QuickPickItemKind.Separator },
    ...(today ? [todayChoice(today)] : []),
    { label: "$(question) Why no suggestion?", run: () => commands.executeCommand("dg.why") },
    { label: "$(chip) Choose a model…", run: () => commands.executeCommand("dg.chooseModel") },
    { label: "$(settings-gear) Settings", run: () => commands.executeCommand("dg.settings") },
    { label: "$(debug-restart) Restart the server", run: () => commands.executeCommand("dg.restart") },
    {
      label: "$(debug-stop) Stop the engine",
      description: "the next request starts one with the settings of then",
      run: () => commands.executeCommand("dg.stopEngine"),
    },
    { label: "$(pulse) Check the installation", run: () => commands.executeCommand("dg.doctor") },
    { label: "$(cloud-download) Install the server", run: () => commands.executeCommand("dg.install") },
    { label: "$(output) Show the log", run: () => commands.executeCommand("dg.log") },
  ];
}

function snoozeChoice(until: string | null): Choice {
  const run = (): unknown => commands.executeCommand("dg.toggleSnooze");
  return until === null
    ? { label: "$(bell-slash) Snooze suggestions for 10 minutes", description: "in this window", run }
    : { label: "$(bell) Wake suggestions now", description: `snoozed until ${clock(until)}`, run };
}

function todayChoice({ offered, accepted }: { offered: number; accepted: number }): Choice {
  return {
    label: `$(graph) Today: ${accepted} of ${offered} suggestions accepted`,
    description: "all weeks: dg-lsp stats",
    run: () => commands.executeCommand("dg.stats"),
  };
}

function pauseChoices(pause: Pause, document: TextDocument): Choice[] {
  return [
    {
      label: toggled("in this file", pause.hasFile(document)),
      description: "until the window is closed",
      run: () => pause.toggleFile(document),
    },
    {
      label: toggled(`for ${document.languageId}`, pause.hasLanguage(document)),
      run: () => pause.toggleLanguage(document),
    },
  ];
}

function toggled(where: string, paused: boolean): string {
  return paused ? `$(play) Resume suggestions ${where}` : `$(debug-pause) Pause suggestions ${where}`;
}
