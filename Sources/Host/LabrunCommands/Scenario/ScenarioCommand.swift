import ArgumentParser

/// `labrun scenario`: `labrun scenario FILE` runs it.
public struct ScenarioCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "scenario", abstract: "Run, check, list, start and explain scenarios.",
        subcommands: [
            ScenarioRunCommand.self, ScenarioValidate.self, ScenarioList.self, ScenarioNew.self, ScenarioExplain.self,
        ], defaultSubcommand: ScenarioRunCommand.self)

    public init() {}
}
