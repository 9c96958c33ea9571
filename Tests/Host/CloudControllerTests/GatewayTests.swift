import GatewayRoutes
import Hashing
import JSON
import Testing

@testable import CloudController

/// What becomes of gateways and routes.
@Suite struct GatewayTests {
    static let time = "2026-01-31T12:00:00Z"

    private func view(_ gateways: [String], _ routes: [String], services: [String] = ["default/web", "default/api"])
        throws -> GatewayView
    {
        var view = GatewayView()
        view.classes = [
            try GatewayClass(
                try object(
                    #"{"metadata": {"name": "cilium", "generation": 1}, "spec": {"controllerName": "io.cilium/gateway-controller"}}"#
                )),
            try GatewayClass(
                try object(#"{"metadata": {"name": "other"}, "spec": {"controllerName": "example.com/other"}}"#)),
        ]
        view.gateways = try gateways.map { try Gateway(try object($0)) }
        view.routes = try routes.map { try HTTPRoute(try object($0)) }
        view.namespaces = try ["default", "team"].map {
            try LabelledNamespace(try object(#"{"metadata": {"name": "\#($0)", "labels": {"team": "\#($0)"}}}"#))
        }
        view.services = try services.map { name in
            let parts = name.split(separator: "/")
            return try BalancedService(
                try object(
                    """
                    {"metadata": {"namespace": "\(parts[0])", "name": "\(parts[1])", "uid": "u"},
                     "spec": {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}
                    """))
        }
        return view
    }

    private func gateway(
        _ listeners: String = #"{"name": "http", "port": 80, "protocol": "HTTP"}"#, className: String = "cilium",
        spec: String = "", status: String = "{}"
    ) -> String {
        """
        {"metadata": {"namespace": "default", "name": "web", "uid": "u-web", "generation": 3},
         "spec": {"gatewayClassName": "\(className)"\(spec), "listeners": [\(listeners)]}, "status": \(status)}
        """
    }

    private func route(
        _ rules: String = #"{"backendRefs": [{"name": "web", "port": 80}]}"#, parent: String = #"{"name": "web"}"#,
        namespace: String = "default", name: String = "r", created: String = "2026-01-31T11:00:00Z",
        hostnames: String = "", status: String = "{}"
    ) -> String {
        """
        {"metadata": {"namespace": "\(namespace)", "name": "\(name)", "generation": 2, "creationTimestamp": "\(created)"},
         "spec": {"parentRefs": [\(parent)], "hostnames": [\(hostnames)], "rules": [\(rules)]}, "status": \(status)}
        """
    }

    private func affairs(
        _ gateways: [String], _ routes: [String] = [], services: [String] = ["default/web", "default/api"]
    )
        throws -> GatewayAffairs
    {
        GatewayAffairs(try view(gateways, routes, services: services), time: Self.time)
    }

    /// `Accepted NoMatchingParent False`
    private func words(_ conditions: JSONValue?) -> [String] {
        (conditions?.elements ?? []).map {
            "\($0["type"]?.text ?? "") \($0["reason"]?.text ?? "") \($0["status"]?.text ?? "")"
        }
    }

    private func routeConditions(_ affairs: GatewayAffairs) -> (words: [String], message: String) {
        let parent = affairs.routes.first?.patch.value["status"]?["parents"]?.elements?.first
        let conditions = parent?["conditions"]
        return (
            words(conditions), (conditions?.elements ?? []).compactMap { $0["message"]?.text }.joined(separator: "|")
        )
    }

    private func table(_ affairs: GatewayAffairs) throws -> GatewayTable {
        guard case .create(let made)? = affairs.services.first?.action,
            let text = made.value["metadata"]?["annotations"]?[GatewayTable.annotation]
        else { throw UnreadableObject("no service") }
        return try JSONText.value(of: Array((text.text ?? "").utf8)).decoded()
    }

    @Test func `a gateway gets a Service with its table, and its address when the Service has one`() throws {
        let first = try affairs([gateway()], [route()])
        #expect(first.classes.map(\.name.name) == ["cilium"])
        #expect(!first.needsClass)
        let service = try #require(first.services.first)
        #expect(service.name.description == "default/cilium-gateway-web")
        guard case .create(let made) = service.action else {
            Issue.record("\(service.action)")
            return
        }
        #expect(made.value["spec"]?["type"]?.text == "LoadBalancer")
        #expect(made.value["metadata"]?["ownerReferences"]?.elements?.first?["uid"]?.text == "u-web")
        let found = try table(first).rule(
            at: 80, for: RouteRequest(method: "GET", target: "/", host: "x"))
        #expect(found?.backends.map(\.key) == ["default/web:80"])
        let status = first.gateways.first?.patch.value["status"]
        #expect(words(status?["conditions"]) == ["Accepted Accepted True", "Programmed AddressNotAssigned False"])
        let listener = status?["listeners"]?.elements?.first
        #expect(listener?["attachedRoutes"]?.integerValue == 1)
        #expect(
            words(listener?["conditions"]) == [
                "Accepted Accepted True", "Conflicted NoConflicts False", "ResolvedRefs ResolvedRefs True",
                "Programmed Pending False",
            ])
        #expect(routeConditions(first).words == ["Accepted Accepted True", "ResolvedRefs ResolvedRefs True"])

        // The Service is there, with an address.
        var later = try view([gateway()], [route()])
        var service2 = made.value.members ?? [:]
        service2["status"] = try object(#"{"loadBalancer": {"ingress": [{"ip": "10.0.9.5"}]}}"#)
        later.services.append(try BalancedService(.object(service2)))
        let second = GatewayAffairs(later, time: Self.time)
        #expect(second.services.isEmpty && second.orphans.isEmpty)
        let programmed = second.gateways.first?.patch.value["status"]
        #expect(words(programmed?["conditions"]) == ["Accepted Accepted True", "Programmed Programmed True"])
        #expect(programmed?["addresses"]?.elements?.first?["value"]?.text == "10.0.9.5")

        // What is written is not written again, and times stay.
        let written = try #require(programmed)
        later.gateways = [try Gateway(try object(gateway(status: written.canonicalText)))]
        later.classes = [
            try GatewayClass(
                .object([
                    "metadata": try object(#"{"name": "cilium", "generation": 1}"#),
                    "spec": try object(#"{"controllerName": "io.cilium/gateway-controller"}"#),
                    "status": try #require(first.classes.first?.patch.value["status"]),
                ]))
        ]
        let parents = try #require(second.routes.first?.patch.value["status"])
        later.routes = [try HTTPRoute(try object(route(status: parents.canonicalText)))]
        let third = GatewayAffairs(later, time: "2027-01-01T00:00:00Z")
        #expect(third.gateways.isEmpty && third.routes.isEmpty && third.classes.isEmpty && third.services.isEmpty)

        // Without its gateway, the Service goes.
        later.gateways = []
        let last = GatewayAffairs(later, time: Self.time)
        #expect(last.orphans.map(\.name) == ["cilium-gateway-web"])
        #expect(routeConditions(last).words.first == "Accepted NoMatchingParent False")
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var listeners = #"{"name": "http", "port": 80, "protocol": "HTTP"}"#
        var rules = #"{"backendRefs": [{"name": "web", "port": 80}]}"#
        var parent = #"{"name": "web"}"#
        var namespace = "default"
        var hostnames = ""
        let found: [String]
        let mentions: String
    }

    private static func unsupported(_ name: String, _ rules: String, _ mentions: String) -> Refusal {
        Refusal(
            testDescription: name, rules: rules,
            found: ["Accepted UnsupportedValue False", "ResolvedRefs ResolvedRefs True"], mentions: mentions)
    }
    private static func unresolved(_ reason: String, _ backend: String, _ mentions: String) -> Refusal {
        Refusal(
            testDescription: reason + " " + backend, rules: #"{"backendRefs": [\#(backend)]}"#,
            found: ["Accepted Accepted True", "ResolvedRefs \(reason) False"], mentions: mentions)
    }
    private static func unattached(
        _ reason: String, _ mentions: String, _ change: (inout Refusal) -> Void
    ) -> Refusal {
        var refusal = Refusal(
            testDescription: reason, found: ["Accepted \(reason) False", "ResolvedRefs ResolvedRefs True"],
            mentions: mentions)
        change(&refusal)
        return refusal
    }

    static let refusals = [
        unsupported(
            "regular expression", #"{"matches": [{"path": {"type": "RegularExpression", "value": "/.*"}}]}"#,
            "rules[0]: a path of type RegularExpression is not supported"),
        unsupported("mirror", #"{"filters": [{"type": "RequestMirror"}]}"#, "filter RequestMirror is not supported"),
        unsupported(
            "header regex", #"{"matches": [{"headers": [{"type": "RegularExpression", "name": "a", "value": "b"}]}]}"#,
            "headers of type RegularExpression"),
        unsupported("timeouts", #"{"timeouts": {"request": "1s"}}"#, "timeouts is not supported"),
        unsupported(
            "filters of a backend", #"{"backendRefs": [{"name": "web", "port": 80, "filters": [{"type": "x"}]}]}"#,
            "filters of a backend"),
        unsupported(
            "split header",
            #"{"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b\r\nc"}]}}]}"#,
            "a header that is none"),
        unsupported(
            "framing",
            #"{"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["Content-Length"]}}]}"#,
            "a header that is none"),
        unresolved("BackendNotFound", #"{"name": "none", "port": 80}"#, "service default/none does not exist"),
        unresolved("BackendNotFound", #"{"name": "web", "port": 81}"#, "service default/web has no TCP port 81"),
        unresolved("BackendNotFound", #"{"name": "web", "port": 53}"#, "no TCP port 53"),
        unresolved("BackendNotFound", #"{"name": "web"}"#, "without a port"),
        unresolved("InvalidKind", #"{"kind": "Bucket", "group": "s3.io", "name": "x"}"#, "s3.io/Bucket"),
        unresolved(
            "RefNotPermitted", #"{"name": "web", "namespace": "team", "port": 80}"#,
            "no ReferenceGrant lets routes of default name service team/web"),
        unattached("NoMatchingParent", "gateway default/wbe does not exist") { $0.parent = #"{"name": "wbe"}"# },
        unattached("NoMatchingParent", "no listener of name https") {
            $0.parent = #"{"name": "web", "sectionName": "https"}"#
        },
        unattached("NoMatchingParent", "no listener of name http and port 8080") {
            $0.parent = #"{"name": "web", "sectionName": "http", "port": 8080}"#
        },
        unattached("NotAllowedByListeners", "takes no HTTPRoutes") {
            $0.listeners =
                #"{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "TCPRoute"}]}}"#
        },
        unattached("NotAllowedByListeners", "listener tls is not accepted itself") {
            $0.listeners = #"{"name": "tls", "port": 443, "protocol": "HTTPS"}"#
        },
        unattached("NoMatchingListenerHostname", "b.org") {
            $0.listeners = #"{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}"#
            $0.hostnames = #""b.org", "example.com""#
        },
    ]
    @Test(arguments: refusals) func `what is refused says why`(_ refusal: Refusal) throws {
        let found = routeConditions(
            try affairs(
                [gateway(refusal.listeners)],
                [route(refusal.rules, parent: refusal.parent, hostnames: refusal.hostnames)]))
        #expect(found.words == refusal.found)
        #expect(found.message.contains(refusal.mentions), "\(found.message)")
    }

    static let namespaces: [(String, Bool)] = [
        ("{}", false), (#"{"from": "Same"}"#, false), (#"{"from": "All"}"#, true),
        (#"{"from": "Selector", "selector": {"matchLabels": {"team": "team"}}}"#, true),
        (
            #"{"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["team"]}]}}"#,
            false
        ),
    ]
    @Test(arguments: namespaces) func `listeners say of which namespaces they take routes`(
        _ namespaces: String, _ isTaken: Bool
    ) throws {
        let listener =
            #"{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": \#(namespaces)}}"#
        let found = routeConditions(
            try affairs(
                [gateway(listener)],
                [route(parent: #"{"name": "web", "namespace": "default"}"#, namespace: "team")],
                services: ["team/web"]))
        #expect(found.words.first == (isTaken ? "Accepted Accepted True" : "Accepted NotAllowedByListeners False"))
    }

    @Test func `a grant lets a route name a service of another namespace`() throws {
        let rules = #"{"backendRefs": [{"name": "web", "namespace": "team", "port": 80}]}"#
        var known = try view([gateway()], [route(rules)], services: ["team/web"])
        func grant(_ namespace: String, _ to: String) throws -> ReferenceGrant {
            try ReferenceGrant(
                try object(
                    """
                    {"metadata": {"namespace": "team", "name": "g"}, "spec": {
                     "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "\(namespace)"}],
                     "to": [\(to)]}}
                    """))
        }
        for (namespace, to, isPermitted) in [
            ("default", #"{"group": "", "kind": "Service"}"#, true),
            ("default", #"{"group": "", "kind": "Service", "name": "web"}"#, true),
            ("default", #"{"group": "", "kind": "Service", "name": "api"}"#, false),
            ("default", #"{"group": "", "kind": "Secret"}"#, false),
            ("team", #"{"group": "", "kind": "Service"}"#, false),
        ] {
            known.grants = [try grant(namespace, to)]
            let found = routeConditions(GatewayAffairs(known, time: Self.time)).words
            #expect((found.last == "ResolvedRefs ResolvedRefs True") == isPermitted, "\(namespace) \(to)")
        }
    }

    @Test func `listeners that cannot be are told, and the others serve`() throws {
        let listeners = [
            #"{"name": "http", "port": 80, "protocol": "HTTP"}"#, #"{"name": "again", "port": 80, "protocol": "HTTP"}"#,
            #"{"name": "host", "port": 80, "protocol": "HTTP", "hostname": "a.example.com"}"#,
            #"{"name": "tls", "port": 443, "protocol": "HTTPS"}"#,
        ].joined(separator: ",")
        let found = try affairs([gateway(listeners)], [route()])
        let status = found.gateways.first?.patch.value["status"]
        #expect(words(status?["conditions"]).first == "Accepted ListenersNotValid True")
        let listener = status?["listeners"]?.elements ?? []
        #expect(
            words(listener[1]["conditions"]).prefix(2) == [
                "Accepted HostnameConflict False", "Conflicted HostnameConflict True",
            ])
        #expect(words(listener[2]["conditions"]).first == "Accepted Accepted True")
        #expect(words(listener[3]["conditions"]).first == "Accepted UnsupportedProtocol False")
        #expect(listener.map { $0["attachedRoutes"]?.integerValue } == [1, 0, 1, 0])
        #expect(try table(found).listeners.map(\.port) == [80])
        // None that is accepted: no Service.
        let none = try affairs([gateway(#"{"name": "tls", "port": 443, "protocol": "HTTPS"}"#)])
        #expect(none.services.isEmpty)
        #expect(
            words(none.gateways.first?.patch.value["status"]?["conditions"])
                == ["Accepted ListenersNotValid False", "Programmed Invalid False"])
        let asked = try affairs([gateway(spec: #", "addresses": [{"value": "10.0.0.9"}]"#)])
        #expect(asked.services.isEmpty)
        #expect(
            words(asked.gateways.first?.patch.value["status"]?["conditions"]).first
                == "Accepted UnsupportedAddress False")
    }

    @Test func `rules of several routes are in Gateway API's order`() throws {
        func backend(_ name: String, _ path: String) -> String {
            #"{"matches": [{"path": {"type": "PathPrefix", "value": "\#(path)"}}], "backendRefs": [{"name": "\#(name)", "port": 80}]}"#
        }
        let found = try affairs(
            [gateway()],
            [
                route(backend("web", "/"), name: "new", created: "2026-01-31T11:30:00Z"),
                route(backend("api", "/"), name: "old"), route(backend("api", "/api"), name: "long"),
            ])
        let rules = try table(found).listeners.first?.hosts.first?.rules ?? []
        #expect(rules.map(\.route) == ["default/long", "default/old", "default/new"])
    }

    @Test func `gateways of others, and what others wrote, stay`() throws {
        let foreign =
            #"{"parents": [{"parentRef": {"name": "theirs"}, "controllerName": "example.com/other", "conditions": []}]}"#
        let found = try affairs([gateway(className: "other")], [route(status: foreign)])
        #expect(found.gateways.isEmpty && found.services.isEmpty && found.routes.isEmpty)
        let ours = try affairs([gateway()], [route(status: foreign)])
        #expect(ours.routes.first?.patch.value["status"]?["parents"]?.elements?.count == 2)
        // A Service of the gateway's name that is somebody else's.
        let taken = try affairs([gateway()], services: ["default/cilium-gateway-web"])
        #expect(taken.services.isEmpty && taken.orphans.isEmpty)
        #expect(
            words(taken.gateways.first?.patch.value["status"]?["conditions"]).last == "Programmed Invalid False")
    }

    @Test func `a changed table is patched, and ports keep their node ports`() throws {
        var known = try view([gateway()], [route()])
        known.services.append(
            try BalancedService(
                try object(
                    """
                    {"metadata": {"namespace": "default", "name": "cilium-gateway-web", "uid": "s",
                      "labels": {"io.cilium.gateway/owning-gateway": "web"}},
                     "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}}
                    """)))
        guard case .patch(let patch)? = GatewayAffairs(known, time: Self.time).services.first?.action else {
            Issue.record("no patch")
            return
        }
        #expect(patch.value["spec"]?["ports"]?.elements?.first?["nodePort"]?.integerValue == 30080)
    }

    @Test func `10,000 mutated objects do not trap`() throws {
        let whole = [
            gateway(
                #"{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.a.com", "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}}"#
            ),
            route(
                #"{"matches": [{"path": {"type": "Exact", "value": "/a"}, "headers": [{"name": "a", "value": "b"}]}], "filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 301, "port": 81}}], "backendRefs": [{"name": "web", "port": 80, "weight": 3}]}"#,
                hostnames: #""x.a.com""#),
        ]
        var random = SplitMix64(seed: 11)
        let known = try view([], [])
        for _ in 0..<10_000 {
            var texts = whole.map { Array($0.utf8) }
            for index in texts.indices {
                for _ in 0...(random.next() % 3) {
                    let at = Int(random.next() % UInt64(texts[index].count))
                    switch random.next() % 3 {
                    case 0: texts[index][at] = UInt8(truncatingIfNeeded: random.next())
                    case 1: texts[index].remove(at: at)
                    default: texts[index].insert(texts[index][at], at: at)
                    }
                }
            }
            var view = known
            view.gateways = (try? Gateway(try JSONText.value(of: texts[0]))).map { [$0] } ?? []
            view.routes = (try? HTTPRoute(try JSONText.value(of: texts[1]))).map { [$0] } ?? []
            let affairs = GatewayAffairs(view, time: Self.time)
            #expect(affairs.services.count <= 1)
        }
    }
}
