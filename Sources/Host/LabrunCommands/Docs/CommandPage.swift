import ArgumentParser

/// The page with the help of every command.
enum CommandPage {
    static var text: String {
        ReferenceDocuments.page(
            "Commands",
            "What `--help` prints. Exit codes are in [exit codes and reports](exit-codes-and-reports.md).",
            sections(of: LabrunCommand.self, name: nil).joined(separator: "\n"))
    }

    /// Returns the sections of the command and of its subcommands, without hidden ones.
    /// - Parameter name: What stands before the command on a command line. It is nil for the root.
    private static func sections(of command: any ParsableCommand.Type, name: String?) -> [String] {
        let configuration = command.configuration
        let own = configuration.commandName ?? ""
        let full = name.map { "\($0) \(own)" } ?? own
        let help = LabrunCommand.helpMessage(for: command, columns: 100)
            .split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasSuffix(" ") ? String($0.reversed().drop { $0 == " " }.reversed()) : String($0) }
            .joined(separator: "\n")
        let section = "## `\(full)`\n\n```\n\(help.hasSuffix("\n") ? help : help + "\n")```\n"
        return [section]
            + configuration.subcommands.filter { $0.configuration.shouldDisplay }.flatMap {
                sections(of: $0, name: full)
            }
    }
}
