import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { InlineCompletionTriggerKind, type LogOutputChannel } from "vscode";
import {
  CloseAction,
  type CloseHandlerResult,
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
const LAST_WORDS_MS = 100;

/** A client that interrupts nobody: the library shows some errors whatever its options say; here the log has them. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** The language server of this window. */
export class Server {
  private client: LanguageClient | undefined;
  private starting: Promise<void> = Promise.resolve();
  private deaths: number[] = [];
  /** The last line that the server wrote to its standard error: mostly why it ended. */
  private lastLine = "";

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
    this.deaths = [];
    this.lastLine = "";
    const executable = {
      command: command.program,
      args: command.args,
      transport: TransportKind.stdio,
      options: { cwd: NEUTRAL_FOLDER },
    };
    const client: LanguageClient = new QuietClient("dg", "dg-lsp", executable, this.options(() => this.closed(client)));
    client.onNotification("didChangeStatus", (status: ServerStatus) => this.status.set(status));
    this.client = client;
    this.starting = client.start().catch((error: unknown) => {
      this.output.error(String(error));
      return this.notStarted(client);
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

  private options(closed: ErrorHandler["closed"]): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
      outputChannel: this.output,
      traceOutputChannel: this.output,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
      errorHandler: { error: () => ({ action: ErrorAction.Continue, handled: true }), closed },
      stdioOptions: {
        stdout: () => undefined, // it is the transport
        stderr: (stream, output) => {
          createInterface(stream).on("line", (line) => {
            output.error(line);
            this.lastLine = line.trim() || this.lastLine;
          });
        },
      },
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

  /** A dead server is started again, in silence; not one that dies at its start, or again and again. */
  private closed(client: LanguageClient): CloseHandlerResult {
    if (client !== this.client || client.state !== State.Running) {
      void this.notStarted(client);
      return { action: CloseAction.DoNotRestart, handled: true };
    }
    const now = Date.now();
    this.deaths = [...this.deaths.filter((death) => now - death < WITHIN_MS), now];
    this.lastLine = "";
    if (this.deaths.length <= RESTARTS) {
      this.status.set({ busy: true, message: "The server stopped and is started again", kind: "Warning" });
      return { action: CloseAction.Restart, handled: true };
    }
    this.status.fail("The server stopped again and again: see the log, then restart it");
    return { action: CloseAction.DoNotRestart, handled: true };
  }

  private async notStarted(client: LanguageClient): Promise<void> {
    await setTimeout(LAST_WORDS_MS); // its last words may come behind its end
    if (client === this.client) {
      const why = this.lastLine === "" ? "" : ` (${this.lastLine.slice(0, 200)})`;
      this.status.fail(`The server could not be started${why}: see the log, then restart it`);
    }
  }
}
