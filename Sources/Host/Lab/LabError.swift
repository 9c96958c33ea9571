/// A failure of the lab itself, never of the datapath under test.
public struct LabError: Error, CustomStringConvertible, Sendable {
    public enum Code: String, Sendable {
        case plan, boot, nodeFailed = "node-failed", agentFailed = "agent-failed", notReady = "not-ready", request
        case controlPlaneFailed = "control-plane-failed"
    }
    public let code: Code
    /// What failed on which object, and the last state seen.
    public let message: String
    /// The last lines of the console or of the agent, oldest first. A node wrote them, so they are not to be trusted.
    public let lastLines: [String]

    public init(_ code: Code, _ message: String, lastLines: [String] = []) {
        self.code = code
        self.message = message
        self.lastLines = lastLines
    }

    public var description: String {
        lastLines.isEmpty ? message : message + "\n" + lastLines.map { "    " + $0 }.joined(separator: "\n")
    }
}
