import ArgumentParser

/// `labrun scenario`: `labrun scenario FILE` runs it.
public struct ScenarioCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "scenario", abstract: "Run, check, list, start and explain scenarios.",
        subcommands: [
            ScenarioRunCommand.self,
        ], defaultSubcommand: ScenarioRunCommand.self)

    public init() {}
}
