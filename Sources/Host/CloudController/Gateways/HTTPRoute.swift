import GatewayRoutes
import JSON

/// `gateway.networking.k8s.io/v1 HTTPRoute`
struct HTTPRoute: Sendable, Hashable {
    struct Parent: Sendable, Hashable {
        /// Empty for the route's own.
        var namespace: String
        var name: String
        var sectionName: String?
        var port: UInt16?
        /// As the route has it, which its status repeats.
        var reference: JSONBox
    }
    /// What a rule is before its backends are looked up.
    struct Rule: Sendable, Hashable {
        var matches: [RequestMatch]
        var filters: RouteFilters
        var backends: [BackendReference]
    }
    struct BackendReference: Sendable, Hashable {
        /// `Service` of the core group has an empty group.
        var group: String
        var kind: String
        /// Empty for the route's own.
        var namespace: String
        var name: String
        var port: UInt16?
        var weight: Int
    }

    let name: ObjectName
    let version: ObjectVersion
    var hostnames: [String]
    var parents: [Parent]
    var rules: [Rule]
    /// What it asks for and cannot have, in words; nil if there is nothing.
    var mistake: String?
    /// `status.parents`
    var status: [JSONBox]

    static let mostRules = 64

    /// What the route's rules have wrong does not make it unreadable: its status says so.
    ///
    /// - Throws: `UnreadableObject`.
    init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        version = ObjectVersion(object)
        let spec = object.at("spec") ?? .object([:])
        status = try object.at("status").map { try $0.list("parents") }?.map(JSONBox.init) ?? []
        parents = try spec.list("parentRefs").compactMap { reference in
            guard reference.at("group")?.text ?? GatewayNames.group == GatewayNames.group,
                reference.at("kind")?.text ?? "Gateway" == "Gateway", let name = reference.at("name")?.text
            else { return nil }
            return Parent(
                namespace: reference.at("namespace")?.text ?? "", name: name,
                sectionName: reference.at("sectionName")?.text,
                port: reference.at("port")?.integerValue.flatMap { UInt16(exactly: $0) },
                reference: JSONBox(reference))
        }
        (hostnames, rules) = ([], [])
        do {
            hostnames = try spec.texts("hostnames")
            if let wrong = hostnames.first(where: { !Hostname.isValid($0) }) {
                throw UnreadableObject("hostname \"\(wrong.prefix(64))\" is none")
            }
            let all = try spec.list("rules")
            guard all.count <= Self.mostRules else {
                throw UnreadableObject("\(all.count) rules, of which it may have 64")
            }
            rules = try all.enumerated().map { index, rule in
                do throws(UnreadableObject) {
                    return try Self.rule(rule)
                } catch {
                    throw UnreadableObject("rules[\(index)]: \(error)")
                }
            }
            // Without rules, everything matches and nothing takes it.
            if all.isEmpty { rules = [Rule(matches: [RequestMatch()], filters: RouteFilters(), backends: [])] }
        } catch let error as UnreadableObject {
            mistake = error.description
        }
    }

    private static func rule(_ rule: JSONValue) throws(UnreadableObject) -> Rule {
        var matches: [RequestMatch] = []
        for match in try rule.list("matches") { matches.append(try RequestMatch(match)) }
        var backends: [BackendReference] = []
        let filters = try RouteFilters(try rule.list("filters"))
        for backend in try rule.list("backendRefs") {
            guard try backend.list("filters").isEmpty else {
                throw UnreadableObject("filters of a backend are not supported")
            }
            let weight = backend.at("weight")?.integerValue ?? 1
            guard (0...1_000_000).contains(weight) else { throw UnreadableObject("weight \(weight)") }
            backends.append(
                BackendReference(
                    group: backend.at("group")?.text ?? "", kind: backend.at("kind")?.text ?? "Service",
                    namespace: backend.at("namespace")?.text ?? "", name: backend.at("name")?.text ?? "",
                    port: backend.at("port")?.integerValue.flatMap { UInt16(exactly: $0) }, weight: Int(weight)))
        }
        for field in ["timeouts", "retry", "sessionPersistence"] where rule.at(field) != nil {
            throw UnreadableObject("\(field) is not supported")
        }
        return Rule(
            matches: matches.isEmpty ? [RequestMatch()] : matches, filters: filters, backends: backends)
    }
}

extension RequestMatch {
    /// `HTTPRouteMatch`
    init(_ match: JSONValue) throws(UnreadableObject) {
        self.init()
        if let given = match.at("path") {
            let type = given.at("type")?.text ?? "PathPrefix"
            guard ["Exact", "PathPrefix"].contains(type) else {
                throw UnreadableObject("a path of type \(type) is not supported")
            }
            let value = given.at("value")?.text ?? "/"
            guard value.hasPrefix("/"), value.utf8.count <= 1024, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                throw UnreadableObject("path \"\(value.prefix(64))\" is none")
            }
            path = Path(isExact: type == "Exact", value: value)
        }
        method = match.at("method")?.text
        headers = try Self.named(match, "headers")
        query = try Self.named(match, "queryParams")
    }

    private static func named(_ match: JSONValue, _ key: String) throws(UnreadableObject) -> [Named] {
        var all: [Named] = []
        for one in try match.list(key) {
            let type = one.at("type")?.text ?? "Exact"
            guard type == "Exact" else { throw UnreadableObject("\(key) of type \(type) are not supported") }
            guard let name = one.at("name")?.text, !name.isEmpty, let value = one.at("value")?.text else {
                throw UnreadableObject("\(key) without name or value")
            }
            // The first of a name counts.
            if !all.contains(where: { $0.name.lowercased() == name.lowercased() }) {
                all.append(Named(name: name, value: value))
            }
        }
        return all
    }
}
