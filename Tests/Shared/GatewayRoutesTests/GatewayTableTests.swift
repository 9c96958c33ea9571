import Foundation
import Hashing
import Testing

@testable import GatewayRoutes

/// Which rule is for a request, and what becomes of it.
@Suite struct GatewayTableTests {
    private func request(
        _ target: String, host: String = "a.example.com", method: String = "GET",
        headers: [(name: String, value: String)] = []
    ) -> RouteRequest {
        RouteRequest(method: method, target: target, host: host, headers: headers)
    }

    private func rule(_ name: String, _ match: RequestMatch = RequestMatch()) -> GatewayTable.Rule {
        GatewayTable.Rule(
            route: name, match: match, backends: [GatewayTable.Backend(namespace: "default", name: name, port: 80)])
    }

    static let paths: [(String, Bool, String, Bool)] = [
        ("/", false, "/", true), ("/", false, "/anything?x=1", true), ("/foo", false, "/foo", true),
        ("/foo", false, "/foo/", true), ("/foo", false, "/foo/bar", true), ("/foo", false, "/foobar", false),
        ("/foo/", false, "/foo", true), ("/foo/", false, "/foo/bar", true), ("/foo/", false, "/foobar", false),
        ("/foo", false, "/Foo", false), ("/foo", true, "/foo", true), ("/foo", true, "/foo/", false),
        ("/foo", true, "/foo?x=1", true), ("/", true, "/foo", false), ("/a/b", false, "/a", false),
    ]
    @Test(arguments: paths) func `paths match by whole segments`(
        _ value: String, _ isExact: Bool, _ target: String, _ holds: Bool
    ) {
        #expect(RequestMatch(path: .init(isExact: isExact, value: value)).holds(request(target)) == holds)
    }

    @Test func `everything that a match names must hold`() {
        let match = RequestMatch(
            method: "POST", headers: [.init(name: "X-Version", value: "2")], query: [.init(name: "q", value: "a")])
        let headers = [(name: "x-version", value: "2")]
        #expect(match.holds(request("/?q=a", method: "POST", headers: headers)))
        #expect(match.holds(request("/?p=1&q=a&q=b", method: "POST", headers: headers)))
        #expect(!match.holds(request("/?q=a", headers: headers)))
        #expect(!match.holds(request("/?q=b&q=a", method: "POST", headers: headers)))
        #expect(!match.holds(request("/?q=a", method: "POST")))
        #expect(!match.holds(request("/", method: "POST", headers: headers)))
        let twice = [(name: "X-Version", value: "1"), (name: "x-version", value: "2")]
        #expect(!match.holds(request("/?q=a", method: "POST", headers: twice)))
    }

    @Test func `the more specific match goes first`() {
        let ordered = [
            RequestMatch(path: .init(isExact: true, value: "/a")),
            RequestMatch(path: .init(isExact: false, value: "/a/b/c")),
            RequestMatch(path: .init(isExact: false, value: "/a/b"), method: "GET"),
            RequestMatch(path: .init(isExact: false, value: "/a/b"), headers: [.init(name: "h", value: "1")]),
            RequestMatch(path: .init(isExact: false, value: "/a/b"), query: [.init(name: "q", value: "1")]),
            RequestMatch(path: .init(isExact: false, value: "/a/b")),
        ]
        for (index, match) in ordered.enumerated() {
            for later in ordered[(index + 1)...] {
                #expect(match.precedes(later) == true && later.precedes(match) == false)
            }
            #expect(match.precedes(match) == nil)
        }
    }

    @Test func `the most specific host counts alone`() {
        let table = GatewayTable(listeners: [
            .init(
                port: 80,
                hosts: [
                    .init(name: "*", rules: [rule("all")]), .init(name: "*.example.com", rules: [rule("wild")]),
                    .init(name: "a.example.com", rules: [rule("a", .init(path: .init(isExact: false, value: "/a")))]),
                    .init(name: "*.b.example.com", rules: [rule("b")]), .init(name: "closed.example.com", rules: []),
                ])
        ])
        func route(_ host: String, _ target: String = "/") -> String? {
            table.rule(at: 80, for: request(target, host: host))?.route
        }
        #expect(route("other.org") == "all")
        #expect(route("c.example.com") == "wild")
        #expect(route("x.y.example.com:8080") == "wild")
        #expect(route("example.com") == "all")
        #expect(route("A.Example.com", "/a/x") == "a")
        #expect(route("a.example.com", "/b") == nil)
        #expect(route("x.b.example.com") == "b")
        #expect(route("closed.example.com") == nil)
        #expect(table.rule(at: 81, for: request("/")) == nil)
    }

    static let intersections: [(String?, String?, String?)] = [
        (nil, nil, "*"), (nil, "a.com", "a.com"), ("a.com", nil, "a.com"), ("a.com", "a.com", "a.com"),
        ("a.com", "b.com", nil), ("*.a.com", "x.a.com", "x.a.com"), ("*.a.com", "a.com", nil),
        ("x.y.a.com", "*.a.com", "x.y.a.com"), ("*.a.com", "*.x.a.com", "*.x.a.com"), ("*.a.com", "*.b.com", nil),
        ("*.x.a.com", "*.a.com", "*.x.a.com"),
    ]
    @Test(arguments: intersections) func `hosts of listener and route are cut`(
        _ one: String?, _ other: String?, _ both: String?
    ) {
        #expect(Hostname.intersection(one, other) == both)
    }

    @Test(arguments: ["a", "a.b", "*.a", "a-b.c9", "1.2.3.a"]) func `hostnames are taken`(_ name: String) {
        #expect(Hostname.isValid(name))
    }
    @Test(arguments: ["", "*", "*.", ".a", "a.", "a..b", "A.b", "a_b", "-a", "a-", "a.*", "10.0.0.1", "ä.de"])
    func `what is no hostname is refused`(_ name: String) { #expect(!Hostname.isValid(name)) }

    @Test func `weights share requests, and what is not valid is answered by 500`() {
        var shared = rule("web")
        shared.backends = [
            .init(namespace: "n", name: "a", port: 80, weight: 3),
            .init(namespace: "n", name: "b", port: 80, weight: 0),
            .init(namespace: "n", name: "c", port: 80, weight: 1, isValid: false),
        ]
        var drawn: [Int] = []
        let outcomes = (0..<4).map { draw in
            shared.outcome(of: request("/")) { total in
                drawn.append(total)
                return draw
            }
        }
        #expect(drawn == [4, 4, 4, 4])
        #expect(outcomes.prefix(3).allSatisfy { $0 == .backend(shared.backends[0]) })
        #expect(outcomes[3] == .answer(status: 500, location: nil))
        shared.backends = []
        #expect(shared.outcome(of: request("/")) { _ in 0 } == .answer(status: 500, location: nil))
        #expect(shared.outcome(of: request("/")) { _ in 99 } == .answer(status: 500, location: nil))
    }

    static let redirects: [(GatewayTable.Redirect, String)] = [
        (.init(scheme: "https", status: 301), "https://a.example.com/old/x?q=1"),
        (.init(hostname: "b.org"), "http://b.org:8080/old/x?q=1"),
        (.init(port: 8443), "http://a.example.com:8443/old/x?q=1"),
        (.init(path: .init(isOfPrefix: true, value: "/new")), "http://a.example.com:8080/new/x?q=1"),
        (.init(path: .init(isOfPrefix: false, value: "/new")), "http://a.example.com:8080/new?q=1"),
        (.init(path: .init(isOfPrefix: true, value: "/")), "http://a.example.com:8080/x?q=1"),
    ]
    @Test(arguments: redirects) func `redirects say where`(_ redirect: GatewayTable.Redirect, _ location: String) {
        var moved = rule("web", .init(path: .init(isExact: false, value: "/old")))
        moved.redirect = redirect
        let outcome = moved.outcome(of: request("/old/x?q=1", host: "a.example.com:8080")) { _ in 0 }
        #expect(outcome == .answer(status: redirect.status, location: location))
    }

    @Test func `paths are rewritten`() {
        var changed = rule("web", .init(path: .init(isExact: false, value: "/old/")))
        #expect(changed.rewritten("/old/x") == "/old/x")
        changed.rewrite = .init(path: .init(isOfPrefix: true, value: ""))
        #expect(changed.rewritten("/old/x?y") == "/x?y")
        #expect(changed.rewritten("/old") == "/")
    }

    @Test func `a table is read as it is written, and no text of another shape traps`() throws {
        var full = rule("web", .init(path: .init(isExact: true, value: "/a"), method: "GET"))
        full.requestHeaders = .init(set: [.init(name: "a", value: "b")], remove: ["c"])
        full.rewrite = .init(hostname: "b.org")
        let table = GatewayTable(listeners: [.init(port: 80, hosts: [.init(name: "*", rules: [full])])])
        let text = try JSONEncoder().encode(table)
        #expect(try JSONDecoder().decode(GatewayTable.self, from: text) == table)
        var random = SplitMix64(seed: 45)
        for _ in 0..<10_000 {
            var bytes = Array(text)
            for _ in 0...(random.next() % 3) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let read = try? JSONDecoder().decode(GatewayTable.self, from: Data(bytes)) else { continue }
            let found = read.rule(at: 80, for: request("/a?x"))
            _ = found?.outcome(of: request("/a?x")) { $0 - 1 }
            _ = found?.rewritten("/a?x")
        }
    }
}
