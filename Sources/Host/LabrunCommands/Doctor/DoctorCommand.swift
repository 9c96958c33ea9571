import ArgumentParser
import Foundation

/// `labrun doctor`: shows what this host has and lacks, and the command that mends what is missing.
public struct DoctorCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say what this host has and lacks for a lab, and how to mend it.",
        discussion: "Exit codes: 0 a lab can run; 3 something it needs is missing.")

    @Flag(name: .long, help: "Print JSON.")
    public var json = false

    public init() {}

    public func run() async throws {
        let requirements = await HostSurveyor().survey().requirements
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try StandardOutput.write(String(decoding: encoder.encode(requirements), as: UTF8.self))
        } else {
            try StandardOutput.write(Self.text(requirements))
        }
        if requirements.contains(where: { $0.state == .missing }) { throw ExitCode(3) }
    }

    /// Returns a line for each requirement, with the mend below the line that it belongs to.
    static func text(_ requirements: [Requirement]) -> String {
        let width = requirements.map(\.title.count).max() ?? 0
        var lines = requirements.map { requirement in
            let title = requirement.title.padding(toLength: width, withPad: " ", startingAt: 0)
            let state = requirement.state.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
            let line = "\(state)  \(title)  \(requirement.detail)"
            guard let mend = requirement.mend, !mend.isEmpty else { return line }
            return line + "\n          mend it: \(mend)"
        }
        let missing = requirements.filter { $0.state == .missing }.count
        lines.append(missing == 0 ? "a lab can run here" : "a lab cannot run here: \(missing) missing")
        return lines.joined(separator: "\n")
    }
}
