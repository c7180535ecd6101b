import { type Memento, type QuickPickItem, window } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { listModels, type Model, namedModel, size, takeModel } from "./models";
import { engineUrl } from "./settings";

/** When, in ms since 1970, a download may be offered again. */
const OFFER_FROM = "offerModelFrom";
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

interface Choice extends QuickPickItem {
  readonly model: Model;
}

/** Let the user choose a model, and load it. */
export async function chooseModel(client: LanguageClient): Promise<void> {
  const choices = listModels(client).then((models) => models.map(choice));
  const options = { title: "dg-lsp: choose a model", placeHolder: "All run on this machine", matchOnDetail: true };
  const model = (await window.showQuickPick(choices, options))?.model;
  if (model === undefined) {
    return;
  }
  if (!model.fits && !model.loaded) {
    void window.showWarningMessage(`dg-lsp: ${model.name} ${model.why_not}.`);
  } else if (model.downloaded || (await confirmed(model))) {
    await takeModel(client, model);
  }
}

/** Offer the smallest pretrained model where nothing but the one in the package is at hand; not again within a week. */
export async function offerModel(client: LanguageClient, memory: Memento): Promise<void> {
  if (!isOfferDue(memory)) {
    return;
  }
  const models = await listModels(client);
  const wanted = models.filter((model) => !isPackaged(model));
  const [smallest] = wanted.filter((model) => model.fits).sort((one, other) => one.size_bytes - other.size_bytes);
  // Due no longer, where the server was started again meanwhile and the same was asked then.
  if (smallest === undefined || wanted.some((model) => model.downloaded) || !isOfferDue(memory)) {
    return;
  }
  await memory.update(OFFER_FROM, Date.now() + WEEK_MS); // no other window asks too
  const question = `dg-lsp: the model in the package is small. ${smallest.name} writes far better code; it is downloaded once (${size(smallest.size_bytes)}) and runs on this machine.`;
  const answer = await window.showInformationMessage(question, "Download", "Not now", "Never");
  if (answer === "Never") {
    await memory.update(OFFER_FROM, Number.MAX_SAFE_INTEGER);
  } else if (answer === "Download") {
    await takeModel(client, smallest);
  }
}

function isOfferDue(memory: Memento): boolean {
  return engineUrl() === "" && namedModel() === "" && Date.now() >= memory.get(OFFER_FROM, 0);
}

function choice(model: Model): Choice {
  const icon = model.loaded ? "check" : model.downloaded ? "device-desktop" : model.fits ? "cloud-download" : "circle-slash";
  const state = model.loaded ? "loaded" : model.downloaded ? "downloaded" : "to be downloaded";
  const facts = [isPackaged(model) ? "in the package" : size(model.size_bytes), state, model.recommended ? "recommended" : ""];
  return {
    model,
    label: `$(${icon}) ${model.name}`,
    description: facts.filter(Boolean).join(", "),
    detail: model.fits ? model.purpose : `does not fit: ${model.why_not}`,
  };
}

/** The model that comes with dg-lsp has nothing to download. */
function isPackaged(model: Model): boolean {
  return model.size_bytes === 0;
}

async function confirmed(model: Model): Promise<boolean> {
  const question = `dg-lsp: ${model.name} is not on this machine. Download it (${size(model.size_bytes)})?`;
  return (await window.showInformationMessage(question, "Download")) === "Download";
}
