import LinuxKernel

/// The kernel or libbpf refused a BPF object.
///
/// The value keeps everything that was reported. Its description is the line that gives the reason.
public struct LoadFailure: Error, CustomStringConvertible, Sendable {
    /// `errno`, for example `EACCES` from the verifier.
    public let code: Int32
    /// The object's name.
    public let object: String
    /// The refused program, nil when a map or the file itself was refused.
    public let program: String?
    /// The verifier's whole log. It is empty if the verifier was not reached.
    public let log: String
    /// The warnings that libbpf gave during the call, oldest first.
    public let messages: [String]

    public init(code: Int32, object: String, program: String?, log: String, messages: [String]) {
        self.code = code
        self.object = object
        self.program = program
        self.log = log
        self.messages = messages
    }

    /// The line that gives the reason: the log's last line before the statistics, or else libbpf's first warning.
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
