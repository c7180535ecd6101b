import { randomUUID } from "node:crypto";
import { ConfigurationTarget, ProgressLocation, window, workspace } from "vscode";
import { type LanguageClient, WorkDoneProgress } from "vscode-languageclient/node";

const SHOWN_MS = 5000;
const SETTING = "engine.model";

/** A model as the server lists it; `why_not` is empty where it fits this machine. */
export interface Model {
  readonly name: string;
  readonly purpose: string;
  readonly size_bytes: number;
  readonly fits: boolean;
  readonly why_not: string;
  readonly downloaded: boolean;
  readonly loaded: boolean;
  readonly recommended: boolean;
}

/** The model that the settings name; empty: the best one at hand. */
export function namedModel(): string {
  return workspace.getConfiguration("dg").get(SETTING, "");
}

/** All models; none where they cannot be listed, and then the server has said why. */
export async function listModels(client: LanguageClient): Promise<Model[]> {
  return (await client.sendRequest<Model[] | null>("dg/models")) ?? [];
}

/** Download the model where it is not there yet, load it, and keep it in the settings. */
export async function takeModel(client: LanguageClient, model: Model): Promise<void> {
  if (!model.downloaded && !(await download(client, model))) {
    return;
  }
  // Before the setting is written: after it, the server would ask whether it shall load the model.
  if (model.loaded || (await client.sendRequest("dg/loadModel", { name: model.name })) !== null) {
    await workspace.getConfiguration("dg").update(SETTING, model.name, ConfigurationTarget.Global);
    window.setStatusBarMessage(`dg-lsp: ${model.name} is loaded`, SHOWN_MS);
  }
}

/** Whether the model is there now; a download that is cancelled is resumed by the next one. */
function download(client: LanguageClient, { name }: Model): Thenable<boolean> {
  const options = { location: ProgressLocation.Notification, title: `Downloading ${name}`, cancellable: true };
  return window.withProgress(options, async (progress, cancelled) => {
    const workDoneToken = randomUUID();
    let shown = 0;
    const reports = client.onProgress(WorkDoneProgress.type, workDoneToken, (value) => {
      if (value.kind === "report" && value.percentage !== undefined) {
        progress.report({ increment: value.percentage - shown, ...(value.message ? { message: value.message } : {}) });
        shown = value.percentage;
      }
    });
    try {
      return (await client.sendRequest("dg/downloadModel", { name, workDoneToken }, cancelled)) !== null;
    } catch (error) {
      if (cancelled.isCancellationRequested) {
        return false;
      }
      throw error;
    } finally {
      reports.dispose();
    }
  });
}

/** A number of bytes for people. */
export function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}
