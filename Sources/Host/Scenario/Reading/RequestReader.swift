import Expectations
import Readings
import Matrix
import ScenarioReading

extension ScenarioReader {
    /// A request of `probes.requests`; nil for one whose mistakes are reported.
    mutating func request(_ value: YAMLValue) -> ProbeRequest? {
        guard let name = value["name"]?.text, let kind = value["protocol"]?.text.flatMap(ProbeProtocol.init(rawValue:))
        else { return nil }
        let target: ProbeRequest.Target
        switch (value["to"], value["address"]?.text) {
        case (let to?, nil): target = .endpoints(selector(to))
        case (nil, let address?): target = .address(address)
        default:
            checker.report(value.place, "request \(name) needs either `to` or `address`")
            return nil
        }
        let ofOthers = ["query", "method", "path", "headers"].filter { !Self.keys(of: kind).contains($0) }
        for key in ofOthers {
            if let wrong = value[key] { checker.report(wrong.place, "\(kind.rawValue) has no \(key)") }
        }
        let question: ProbeRequest.Question
        switch kind {
        case .dns:
            guard let query = value["query"]?.text else {
                checker.report(value.place, "request \(name) has no query")
                return nil
            }
            question = .dns(name: query)
        case .http:
            var headers: [String: String] = [:]
            for entry in value["headers"]?.entries ?? [] { headers[entry.key] = entry.value.text }
            question = .http(
                method: value["method"]?.text ?? "GET", path: value["path"]?.text ?? "/", headers: headers)
        default: question = .connect
        }
        let port = value["port"]?.integer.flatMap { UInt16(exactly: $0) }
        if kind == .tcp, port == nil {
            checker.report(value.place, "request \(name) has no port")
            return nil
        }
        return ProbeRequest(
            name: name, from: selector(value["from"]), to: target, port: port ?? (kind == .dns ? 53 : 80),
            question: question)
    }

    private static func keys(of kind: ProbeProtocol) -> Set<String> {
        switch kind {
        case .dns: ["query"]
        case .http: ["method", "path", "headers"]
        default: []
        }
    }
}

extension ProbeRequest {
    /// `request public: GET /public, pod → default/web-1 port 80`
    var words: String {
        let asked =
            switch question {
            case .connect: "a TCP connection"
            case .dns(let name): "the address of \(name)"
            case .http(let method, let path, let headers):
                "\(method) \(path)" + headers.sorted { $0.key < $1.key }.map { ", \($0.key): \($0.value)" }.joined()
            }
        let target =
            switch to {
            case .endpoints(let selector): selector.words
            case .address(let address): address
            }
        return "request \(name): \(asked), \(from.words) → \(target) port \(port)"
    }
}
