import { ConfigurationTarget, type LogOutputChannel, workspace } from "vscode";

/** What settings were called before they got VS Code's own spelling, below `dg`. */
const OLD = [
  "inline.disabled_languages",
  "inline.in_comments",
  "inline.deadline_ms",
  "inline.manual_deadline_ms",
  "inline.debounce_ms",
  "inline.max_tokens",
  "function.max_tokens",
];

/** Write each setting that still has an old name under its new one, where it stands; one that is set there stays. */
export async function renameSettings(output: LogOutputChannel): Promise<void> {
  const settings = workspace.getConfiguration("dg");
  for (const old of OLD) {
    const name = old.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const [before, now] = [settings.inspect(old), settings.inspect(name)];
    const places = [
      { target: ConfigurationTarget.Global, value: before?.globalValue, own: now?.globalValue },
      { target: ConfigurationTarget.Workspace, value: before?.workspaceValue, own: now?.workspaceValue },
    ];
    for (const { target, value, own } of places.filter((place) => place.value !== undefined)) {
      try {
        if (own === undefined) {
          await settings.update(name, value, target);
        }
        await settings.update(old, undefined, target);
        output.info(`The setting dg.${old} is called dg.${name} now, and was renamed`);
      } catch (error) {
        output.warn(`The setting dg.${old} is called dg.${name} now; rename it: ${String(error)}`);
      }
    }
  }
}
