import FoundationEssentials

/// A request of the kubelet's API: its path and its query, decoded.
struct KubeletRequest: Sendable, Equatable {
    enum Target: Sendable, Hashable {
        case health
        case pods
        case runningPods
        case summary
        case metrics
        case resourceMetrics
        case logs(ContainerReference)
        case exec(ContainerReference)
        case attach(ContainerReference)
        case run(ContainerReference)
        case portForward(PodReference)
    }

    var method: String
    var target: Target
    var query: [(name: String, value: String)]

    static func == (left: KubeletRequest, right: KubeletRequest) -> Bool {
        left.method == right.method && left.target == right.target
            && left.query.elementsEqual(right.query, by: ==)
    }

    /// Reads a request line's method and target.
    ///
    /// - Throws: `KubeletRefusal`: 404 for a path that the kubelet does not serve, 405 for a method that it does not
    ///   take there, 400 for a target that cannot be decoded.
    init(method: String, uri: String) throws(KubeletRefusal) {
        let malformed = KubeletRefusal(status: 400, message: "malformed request target")
        guard uri.utf8.count <= 16_384 else { throw malformed }
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.hasPrefix("/") else { throw malformed }
        var names: [String] = []
        for name in path.split(separator: "/") {
            guard let name = Self.decoded(name) else { throw malformed }
            names.append(name)
        }
        self.method = method
        target = try Self.target(names)
        query = []
        for item in parts.dropFirst().first?.split(separator: "&") ?? [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard query.count < 1024, let name = Self.decoded(pair[0], plus: true),
                let value = Self.decoded(pair.count > 1 ? pair[1] : "", plus: true)
            else { throw malformed }
            query.append((name, value))
        }
        let allowed: Set<String> =
            switch target {
            case .exec, .attach, .portForward: ["GET", "POST"]
            case .run: ["POST"]
            default: ["GET"]
            }
        guard allowed.contains(method) else {
            throw KubeletRefusal(status: 405, message: "405: Method Not Allowed")
        }
    }

    private static func target(_ names: [String]) throws(KubeletRefusal) -> Target {
        let unknown = KubeletRefusal(status: 404, message: "404 page not found")
        switch names.first {
        case "healthz" where names.count <= 2: return .health
        case "pods" where names.count == 1: return .pods
        case "runningpods" where names.count == 1: return .runningPods
        case "stats" where names == ["stats", "summary"]: return .summary
        case "metrics" where names.count == 1: return .metrics
        case "metrics" where names == ["metrics", "resource"]: return .resourceMetrics
        case "containerLogs" where names.count == 4:
            return .logs(
                ContainerReference(pod: PodReference(namespace: names[1], name: names[2]), container: names[3]))
        case "portForward" where names.count == 3 || names.count == 4:
            return .portForward(
                PodReference(namespace: names[1], name: names[2], uid: names.count == 4 ? names[3] : nil))
        case "exec", "attach", "run":
            guard names.count == 4 || names.count == 5 else { throw unknown }
            let pod = PodReference(namespace: names[1], name: names[2], uid: names.count == 5 ? names[3] : nil)
            let container = ContainerReference(pod: pod, container: names[names.count - 1])
            switch names[0] {
            case "exec": return .exec(container)
            case "attach": return .attach(container)
            default: return .run(container)
            }
        default: throw unknown
        }
    }

    /// Decodes percent signs, and in a query plus signs too; nil if that is no UTF-8.
    private static func decoded(_ text: Substring, plus: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, let digits = String(rest.prefix(2)), let value = UInt8(digits, radix: 16),
                    digits.first != "+"
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plus && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// How Kubernetes' authorization names the request.
    var verb: String { method == "POST" ? "create" : "get" }
    var subresource: String {
        switch target {
        case .summary: "stats"
        case .metrics, .resourceMetrics: "metrics"
        default: "proxy"
        }
    }
}
