/// `metav1.Status`: why a server refused a request, in its own words.
public struct KubeStatus: Sendable, Hashable, Codable, Error {
    /// The HTTP status, such as 409.
    public var code: Int
    /// The reason that machines read, such as `AlreadyExists`, `Conflict`, `Expired`. It may be empty.
    public var reason: String
    public var message: String
    public var details: Details?

    /// What the refusal is about.
    public struct Details: Sendable, Hashable, Codable {
        public var group: String?
        public var kind: String?
        public var name: String?
        public var uid: String?
        public var causes: [Cause]?
        public var retryAfterSeconds: Int?
    }

    /// One of the things that are wrong.
    public struct Cause: Sendable, Hashable, Codable {
        public var reason: String?
        public var message: String?
        public var field: String?
    }

    public init(code: Int, reason: String, message: String, details: Details? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
    }

    private enum CodingKeys: CodingKey { case code, reason, message, details }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        code = try container.decodeIfPresent(Int.self, forKey: .code) ?? 0
        reason = try container.decodeIfPresent(String.self, forKey: .reason) ?? ""
        message = try container.decodeIfPresent(String.self, forKey: .message) ?? ""
        // Details are a help; an odd one must not hide the message.
        details = try? container.decodeIfPresent(Details.self, forKey: .details)
    }

    public var isNotFound: Bool { code == 404 }
    /// The object is there already, by `create`.
    public var alreadyExists: Bool { code == 409 && reason == "AlreadyExists" }
    /// The object has changed since it was read.
    public var isConflict: Bool { code == 409 && reason != "AlreadyExists" }
    /// The resource version of a list or watch is too old: list again.
    public var isExpired: Bool { code == 410 || reason == "Expired" || reason == "Gone" }
    /// The resource version is one that the server has not seen: list again.
    public var isFromTheFuture: Bool {
        details?.causes?.contains { $0.reason == "ResourceVersionTooLarge" } == true
            || message.contains("Too large resource version")
    }
}

extension KubeStatus: CustomStringConvertible {
    public var description: String {
        let title = reason.isEmpty ? "status \(code)" : "\(reason) (\(code))"
        return message.isEmpty ? title : "\(title): \(message)"
    }
}

/// Why a request has no answer, or none that was hoped for.
public enum KubeClientError: Error, Sendable, Hashable {
    /// No connection to the server, or it ended before the answer did.
    case unreachable(String)
    /// The server, or the client, could not prove who it is.
    case tls(String)
    /// The answer was not there in time. The text says how far the request had come.
    case timedOut(String)
    /// The server answered, and refused.
    case refused(KubeStatus)
    /// The answer is not one of an API server, or larger than allowed; or the request cannot be written.
    case malformed(String)

    /// The server's refusal, if that is what it is.
    public var status: KubeStatus? { if case .refused(let status) = self { status } else { nil } }
}

extension KubeClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreachable(let reason): "API server unreachable: \(reason)"
        case .tls(let reason): "TLS with the API server: \(reason)"
        case .timedOut(let reason): "no answer of the API server in time: \(reason)"
        case .refused(let status): "\(status)"
        case .malformed(let reason): "unusable answer of the API server: \(reason)"
        }
    }
}
