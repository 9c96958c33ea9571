import GatewayRoutes
import JSON

/// What the filters of a rule do to requests and answers.
struct RouteFilters: Sendable, Hashable {
    var requestHeaders: GatewayTable.HeaderChange?
    var responseHeaders: GatewayTable.HeaderChange?
    var redirect: GatewayTable.Redirect?
    var rewrite: GatewayTable.Rewrite?

    init() {}

    /// - Throws: `UnreadableObject` for a filter that the lab's proxy does not have, and for one that is there twice.
    init(_ filters: [JSONValue]) throws(UnreadableObject) {
        for filter in filters {
            let type = filter.at("type")?.text ?? ""
            switch type {
            case "RequestHeaderModifier":
                try Self.once(type, requestHeaders == nil)
                requestHeaders = try Self.change(filter.at("requestHeaderModifier"))
            case "ResponseHeaderModifier":
                try Self.once(type, responseHeaders == nil)
                responseHeaders = try Self.change(filter.at("responseHeaderModifier"))
            case "RequestRedirect":
                try Self.once(type, redirect == nil)
                redirect = try Self.redirect(filter.at("requestRedirect") ?? .object([:]))
            case "URLRewrite":
                try Self.once(type, rewrite == nil)
                let given = filter.at("urlRewrite") ?? .object([:])
                rewrite = GatewayTable.Rewrite(
                    hostname: try Self.hostname(given), path: try Self.path(given))
            default: throw UnreadableObject("filter \(type) is not supported")
            }
        }
        if redirect != nil, rewrite != nil { throw UnreadableObject("RequestRedirect beside URLRewrite") }
    }

    private static func once(_ type: String, _ isFirst: Bool) throws(UnreadableObject) {
        guard isFirst else { throw UnreadableObject("filter \(type) is given twice") }
    }

    private static func change(_ value: JSONValue?) throws(UnreadableObject) -> GatewayTable.HeaderChange {
        func headers(_ key: String) throws(UnreadableObject) -> [GatewayTable.HeaderChange.Header] {
            var all: [GatewayTable.HeaderChange.Header] = []
            for one in try value?.list(key) ?? [] {
                guard let name = one.at("name")?.text, isToken(name), let text = one.at("value")?.text, isLine(text)
                else { throw UnreadableObject("a header that is none") }
                all.append(.init(name: name, value: text))
            }
            return all
        }
        let removed = try value?.texts("remove") ?? []
        guard removed.allSatisfy(isToken) else { throw UnreadableObject("a header that is none") }
        return GatewayTable.HeaderChange(set: try headers("set"), add: try headers("add"), remove: removed)
    }

    private static func redirect(_ given: JSONValue) throws(UnreadableObject) -> GatewayTable.Redirect {
        let scheme = given.at("scheme")?.text
        guard scheme == nil || ["http", "https"].contains(scheme) else {
            throw UnreadableObject("scheme \(scheme?.prefix(16) ?? "") is not supported")
        }
        let status = given.at("statusCode")?.integerValue ?? 302
        guard [301, 302].contains(status) else { throw UnreadableObject("status \(status) is not supported") }
        return GatewayTable.Redirect(
            scheme: scheme, hostname: try hostname(given), path: try path(given),
            port: given.at("port")?.integerValue.flatMap { UInt16(exactly: $0) }, status: Int(status))
    }

    private static func hostname(_ given: JSONValue) throws(UnreadableObject) -> String? {
        guard let name = given.at("hostname")?.text else { return nil }
        guard Hostname.isValid(name), !name.hasPrefix("*") else {
            throw UnreadableObject("hostname \"\(name.prefix(64))\" is none")
        }
        return name
    }

    private static func path(_ given: JSONValue) throws(UnreadableObject) -> GatewayTable.PathChange? {
        guard let path = given.at("path") else { return nil }
        let type = path.at("type")?.text ?? ""
        let key = type == "ReplaceFullPath" ? "replaceFullPath" : "replacePrefixMatch"
        guard ["ReplaceFullPath", "ReplacePrefixMatch"].contains(type) else {
            throw UnreadableObject("a path of type \(type) is not supported")
        }
        let value = path.at(key)?.text ?? ""
        guard value.isEmpty || value.hasPrefix("/"), value.utf8.count <= 1024,
            value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        else { throw UnreadableObject("path \"\(value.prefix(64))\" is none") }
        return GatewayTable.PathChange(isOfPrefix: key == "replacePrefixMatch", value: value)
    }

    /// Headers of one connection are not a route's to set.
    private static let reserved: Set<String> = ["connection", "transfer-encoding", "content-length", "upgrade", "te"]

    private static func isToken(_ name: String) -> Bool {
        (1...256).contains(name.utf8.count) && !reserved.contains(name.lowercased())
            && name.utf8.allSatisfy { octet in
                switch octet {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(octet)
                }
            }
    }

    private static func isLine(_ value: String) -> Bool {
        value.utf8.count <= 4096 && value.utf8.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F }
    }
}
