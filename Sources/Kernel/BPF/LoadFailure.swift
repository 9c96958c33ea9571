import LinuxKernel

/// The kernel or libbpf refused an object.
///
/// Keeps everything that was said; the description is the line that matters.
public struct LoadFailure: Error, CustomStringConvertible, Sendable {
    /// `errno`, for example `EACCES` from the verifier.
    public let code: Int32
    /// The object's name.
    public let object: String
    /// The refused program, nil when a map or the file itself was refused.
    public let program: String?
    /// The verifier's whole log; empty when it was not reached.
    public let log: String
    /// What libbpf warned about meanwhile, oldest first.
    public let messages: [String]

    public init(code: Int32, object: String, program: String?, log: String, messages: [String]) {
        self.code = code
        self.object = object
        self.program = program
        self.log = log
        self.messages = messages
    }

    /// The line that says why: the last one of the log before the statistics, else libbpf's first warning.
    public var reason: String? {
        let lines = log.split(separator: "\n").map(String.init)
        let complaint = lines.last { line in
            !line.hasPrefix("processed ") && !line.hasPrefix("verification time ") && !line.hasPrefix("stack depth ")
                && !line.hasPrefix("max_states") && !line.allSatisfy(\.isWhitespace)
        }
        return complaint ?? messages.first
    }

    public var description: String {
        let subject = program.map { "\(object)/\($0)" } ?? object
        let failure = SystemError(code: code, call: "load", subject: subject)
        return reason.map { "\(failure): \($0)" } ?? "\(failure)"
    }
}
