import Foundation
import Glibc
public import KubeClient
import LinuxKernel

/// A program of the control plane that labrun itself brings: labrun's own executable, started again under the program's
/// name with one argument, the path of its configuration.
public struct ServerProgram: Sendable {
    /// What runs until the task is cancelled.
    public typealias Body = @Sendable (_ context: Context) async throws -> Void

    /// What a program has.
    public struct Context: Sendable {
        /// The API server, as the program's user.
        public let client: KubeClient
        /// The program's own settings as JSON text.
        public let settings: String
        /// What the program says of its health.
        public let health: HealthPage
    }

    /// The name in argument 0: `labrun-operator`.
    public let name: String
    private let body: Body

    public init(name: String, body: @escaping Body) {
        self.name = name
        self.body = body
    }

    /// Runs one of the programs, and does not return, if this process was started as one.
    public static func runIfAsked(_ programs: [ServerProgram]) async {
        let arguments = CommandLine.arguments
        guard arguments.count == 2, let program = programs.first(where: { $0.name == arguments[0] }) else { return }
        exit(await program.run(configuration: arguments[1]))
    }

    /// Runs until SIGTERM or SIGINT, which is a good end, or until the body fails.
    private func run(configuration path: String) async -> Int32 {
        do {
            let configuration = try JSONDecoder().decode(
                ServerConfiguration.self, from: Data(contentsOf: URL(filePath: path)))
            let signals = try SignalStream.signals([SIGTERM, SIGINT])
            let client = KubeClient(configuration.server, userAgent: name)
            let health = HealthPage()
            let server = try await HealthServer.start(configuration, health)
            log("\(name) is a client of \(configuration.server)")
            let context = Context(client: client, settings: configuration.settings, health: health)
            let body = body
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await body(context) }
                group.addTask { for await _ in signals { return } }
                // What the body does at its end is waited for as the group ends.
                defer { group.cancelAll() }
                _ = try await group.next()
            }
            await client.close()
            await server.stop()
            return 0
        } catch is CancellationError {
            return 0
        } catch {
            log("fatal error: \(error)")
            return 1
        }
    }
}

/// Writes a line to the program's log, its standard error, with the time.
public func log(_ line: String) {
    let text = "\(LeaseTime.now()) \(line)\n"
    // A log that cannot be written has nobody to be told.
    text.withCString { _ = write(2, $0, strlen($0)) }
}
