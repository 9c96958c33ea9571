import ArgumentParser

/// `labrun`: the root of the commands.
public struct LabrunCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "labrun",
        abstract: "Boots a cluster, breaks it the way clouds do, and says who can reach whom and why.",
        discussion: """
            Exit codes: 0 pass; 1 an expectation was not met; 2 bad usage or bad input, nothing was started; 3 the lab \
            failed; 4 inconclusive; 5 dirty rollback; 130 interrupted.
            """, version: LabrunVersion.text,
        subcommands: [
            ScenarioCommand.self, LabCommand.self, ImageCommand.self, DoctorCommand.self, SchemaCommand.self,
            ReportCommand.self,
            DocsCommand.self,
        ])

    public init() {}

    /// Parses the command line and runs the command. Bad usage ends with exit code 2, as documented, where the parser
    /// itself would use 64.
    public static func start() async -> Never {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            exit(withError: nil)
        } catch let error as StandardOutput.Failure {
            StandardError.write("labrun: \(error)")
            exit(withError: ExitCode(3))
        } catch {
            let code = exitCode(for: error)
            guard code == .validationFailure else { exit(withError: error) }
            StandardError.write(fullMessage(for: error))
            Self.exit(withError: ExitCode(2))
        }
    }
}

/// The version of this build.
enum LabrunVersion {
    static let text = "0.1.0"
}
