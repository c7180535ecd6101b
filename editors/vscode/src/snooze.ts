import { ExecuteCommandRequest, type LanguageClient } from "vscode-languageclient/node";

const MINUTES = 10;

/** What the server tells of itself; an older one knows less. */
export interface Facts {
  /** When the snooze ends, as an ISO date. */
  readonly snoozed_until?: string | null;
  /** What was offered and accepted today; null where that is not counted. */
  readonly today?: { readonly offered: number; readonly accepted: number } | null;
}

export function facts(client: LanguageClient): Promise<Facts> {
  return client.sendRequest<Facts>("dg/status");
}

/** Have the server be quiet for ten minutes in all files of this window, or end that. It tells both by its status. */
export async function toggleSnooze(client: LanguageClient): Promise<void> {
  const minutes = (await facts(client)).snoozed_until ? 0 : MINUTES;
  await client.sendRequest(ExecuteCommandRequest.type, { command: "dg.snooze", arguments: [minutes] });
}

/** The time of an ISO date, as the user's clock shows it. */
export function clock(date: string): string {
  return new Date(date).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
