import Foundation
import Lab
import LinuxKernel

/// Runs one program in a node of a throw-away lab. Nothing of it survives the lab.
public enum ImageTrial {
    /// The argument of `LabHostProcess.spawn` that asks for a trial.
    public static let argument = "image-trial"

    /// The one line with which the lab host answers.
    private enum Answer: Codable {
        case outcome(NodeTrial.Outcome)
        case failed(String)
    }

    /// Runs as a lab host and exits if the arguments ask for a trial. In any other lab host it returns.
    public static func runIfAsked(_ channels: LabHostChannels) async {
        guard channels.arguments.first == argument else { return }
        var answer = Answer.failed("no request arrived")
        for await line in channels.commandLines() {
            do {
                let request = try JSONDecoder().decode(NodeTrial.Request.self, from: Data(line))
                answer = .outcome(try await NodeTrial.run(request, directory: channels.directory))
            } catch {
                answer = .failed("\(error)")
            }
            break
        }
        guard let line = try? JSONEncoder().encode(answer) else { exit(3) }
        try? channels.emit(Array(line) + [0x0A])
        exit(0)
    }

    /// Enters a lab, runs the program, and waits for the end of the lab.
    /// - Throws: `TrialFailure` if the lab or the node failed, rather than the program.
    static func run(_ request: NodeTrial.Request) async throws -> NodeTrial.Outcome {
        let host = try LabHostProcess.spawn(arguments: [argument])
        try host.send(Array(try JSONEncoder().encode(request)) + [0x0A])
        var answer: Answer?
        for await line in host.eventLines() {
            if let one = try? JSONDecoder().decode(Answer.self, from: Data(line)) { answer = one }
        }
        let status = try await host.wait()
        switch answer {
        case .outcome(let outcome)?: return outcome
        case .failed(let message)?: throw TrialFailure(description: message)
        case nil: throw TrialFailure(description: "the lab host ended without an answer: \(status)")
        }
    }
}

/// Why a lab could not run the program.
struct TrialFailure: Error, CustomStringConvertible {
    let description: String
}
