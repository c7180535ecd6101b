import { InlineCompletionTriggerKind, type LogOutputChannel } from "vscode";
import {
  CloseAction,
  ErrorAction,
  type ErrorHandler,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  State,
  TransportKind,
} from "vscode-languageclient/node";
import type { ServerCommand } from "./environment";
import type { Pause } from "./pause";
import { NEUTRAL_FOLDER } from "./processes";
import { forServer } from "./settings";
import type { ServerStatus, Status } from "./status";

const RESTARTS = 4;
const WITHIN_MS = 3 * 60 * 1000;

/** The language server of this window. */
export class Server {
  private client: LanguageClient | undefined;
  private starting: Promise<void> = Promise.resolve();
  private readonly deaths: number[] = [];

  constructor(
    private readonly output: LogOutputChannel,
    private readonly status: Status,
    private readonly pause: Pause,
  ) {}

  /** The client, when the server can be asked. */
  get running(): LanguageClient | undefined {
    return this.client?.state === State.Running ? this.client : undefined;
  }

  /** Start the server anew with `command`, after the one before has ended. */
  async start(command: ServerCommand): Promise<void> {
    await this.stop();
    this.output.info(`Starting ${[command.program, ...command.args].join(" ")}`);
    this.status.set({ busy: true, message: "Starting the server", kind: "Normal" });
    const executable = {
      command: command.program,
      args: command.args,
      transport: TransportKind.stdio,
      options: { cwd: NEUTRAL_FOLDER },
    };
    const client = new LanguageClient("dg", "dg-lsp", executable, this.options());
    client.onNotification("didChangeStatus", (status: ServerStatus) => this.status.set(status));
    this.client = client;
    this.starting = client.start().catch((error: unknown) => {
      this.output.error(String(error));
      this.status.fail("The server could not be started: see the log");
    });
    await this.starting;
  }

  /** End the server; the engine, which other windows share, stays. */
  async stop(): Promise<void> {
    await this.starting;
    const client = this.client;
    this.client = undefined;
    if (client?.needsStop()) {
      await client.stop().catch((error: unknown) => this.output.warn(String(error)));
    }
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
      outputChannel: this.output,
      traceOutputChannel: this.output,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
      errorHandler: this.errorHandler(),
      middleware: {
        provideInlineCompletionItems: (document, position, context, token, next) =>
          context.triggerKind !== InlineCompletionTriggerKind.Invoke && this.pause.hasFile(document) ? undefined : next(document, position, context, token),
        workspace: {
          configuration: async (params, token, next) => {
            const sections = await next(params, token);
            return Array.isArray(sections) ? sections.map(forServer) : sections;
          },
        },
      },
    };
  }

  /** A dead server is started again, in silence; one that dies again and again is left alone. */
  private errorHandler(): ErrorHandler {
    return {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        const now = Date.now();
        this.deaths.push(now);
        if (this.deaths.filter((death) => now - death < WITHIN_MS).length <= RESTARTS) {
          this.status.set({ busy: true, message: "The server stopped and is started again", kind: "Warning" });
          return { action: CloseAction.Restart, handled: true };
        }
        this.status.fail("The server stopped again and again: see the log, then restart it");
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    };
  }
}
