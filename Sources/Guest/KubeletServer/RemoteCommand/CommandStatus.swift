import FoundationEssentials

/// How a command ended, as the stream of errors says it.
enum CommandEnd: Sendable, Equatable {
    case success
    case exit(Int32)
    /// It did not run, or was lost.
    case failure(String)

    /// The exit status of a command.
    init(status: Int32) { self = status == 0 ? .success : .exit(status) }

    /// A `v1.Status` as JSON, in the words of the real kubelet (k8s.io/kubelet's remotecommand).
    var object: [UInt8] {
        let status: Status
        switch self {
        case .success: status = Status(status: "Success")
        case .exit(let code):
            status = Status(
                status: "Failure",
                message: "command terminated with non-zero exit code: error executing command, exit code \(code)",
                reason: "NonZeroExitCode", details: .init(causes: [.init(reason: "ExitCode", message: "\(code)")]))
        case .failure(let message):
            status = Status(
                status: "Failure", message: "Internal error occurred: \(message)", reason: "InternalError",
                details: .init(causes: [.init(message: message)]), code: 500)
        }
        // Strings and numbers only: they can always be encoded.
        return (try? JSONEncoder().encode(status)).map { Array($0) } ?? []
    }

    /// What the protocols before `v4` write: nothing for a success.
    var text: [UInt8] {
        switch self {
        case .success: []
        case .exit(let code):
            Array("command terminated with non-zero exit code: error executing command, exit code \(code)".utf8)
        case .failure(let message): Array("Internal error occurred: \(message)".utf8)
        }
    }

    private struct Status: Encodable {
        var metadata: [String: String] = [:]
        var status: String
        var message: String?
        var reason: String?
        var details: Details?
        var code: Int?

        struct Details: Encodable { var causes: [Cause] }
        /// A cause's type is called `reason` in JSON.
        struct Cause: Encodable {
            var reason: String?
            var message: String
        }
    }
}

/// Reads the sizes that a client writes to its resize stream: JSON objects, one behind the other.
struct TerminalSizeReader {
    private struct Size: Decodable {
        var Width: UInt16
        var Height: UInt16
    }

    private static let limit = 1024
    private var held: [UInt8] = []

    /// Returns the sizes that the bytes complete. What is no size is passed over.
    mutating func read(_ bytes: [UInt8]) -> [TerminalSize] {
        var sizes: [TerminalSize] = []
        for byte in bytes {
            held.append(byte)
            if byte == UInt8(ascii: "}") {
                if let size = try? JSONDecoder().decode(Size.self, from: Data(held)) {
                    sizes.append(TerminalSize(columns: size.Width, rows: size.Height))
                }
                held = []
            } else if held.count >= Self.limit {
                held = []
            }
        }
        return sizes
    }
}
