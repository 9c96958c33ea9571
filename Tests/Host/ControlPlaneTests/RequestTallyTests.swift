import Foundation
import Hashing
import Testing

@testable import ControlPlane

/// Requests are counted from a made-up audit log, whose lines are as kube-apiserver 1.20 writes them.
@Suite struct RequestTallyTests {
    private static func line(
        _ verb: String, _ identifier: String, stage: String = "ResponseComplete", user: String = "system:node:node1",
        program: String = "kubelet/v1.20.2 (linux/amd64)", address: String = "10.0.0.11", code: Int = 200,
        object: String? = #""resource":"pods","apiVersion":"v1""#, path: String = "/api/v1/pods?limit=500",
        received: String = "2026-11-30T12:46:02.860019Z"
    ) -> String {
        let object = object.map { #","objectRef":{\#($0)}"# } ?? ""
        return #"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"\#(identifier)","#
            + #""stage":"\#(stage)","requestURI":"\#(path)","verb":"\#(verb)","user":{"username":"\#(user)","#
            + #""groups":["system:nodes"]},"sourceIPs":["\#(address)"],"userAgent":"\#(program)"\#(object),"#
            + #""responseStatus":{"metadata":{},"code":\#(code)},"requestReceivedTimestamp":"\#(received)","#
            + #""stageTimestamp":"\#(received)"}"#
    }

    private func tally(_ lines: [String], since: String? = nil) -> RequestTally {
        var tally = RequestTally(since: since)
        for line in lines { tally.take(line: Array(line.utf8)) }
        return tally
    }

    private func requests(_ tally: RequestTally, _ verb: String, _ resource: String) -> Int {
        tally.counts.filter { $0.key.verb == verb && $0.key.resource == resource }.reduce(0) { $0 + $1.value.requests }
    }

    @Test func `a watch is one request, whether it has ended, runs on, or began before the log`() {
        let ended = tally([
            Self.line("watch", "a", stage: "ResponseStarted"), Self.line("list", "b"),
            Self.line("watch", "a", stage: "ResponseComplete"),
        ])
        #expect(requests(ended, "watch", "pods") == 1)
        #expect(requests(ended, "list", "pods") == 1)
        #expect(requests(tally([Self.line("watch", "a", stage: "ResponseStarted")]), "watch", "pods") == 1)
        #expect(requests(tally([Self.line("watch", "a")]), "watch", "pods") == 1)
        #expect(requests(tally([Self.line("watch", "a", stage: "Panic")]), "watch", "pods") == 1)
    }

    /// As labrun's own policy has it logged.
    @Test func `a watch that was logged when it came is one request, and refused when the answer says so`() {
        let came = Self.line("watch", "a", stage: "RequestReceived").replacing(
            #""responseStatus":{"metadata":{},"code":200},"#, with: "")
        let started = Self.line("watch", "a", stage: "ResponseStarted")
        for lines in [
            [came], [came, started], [came, started, Self.line("watch", "a")], [came, Self.line("watch", "a")],
        ] {
            #expect(tally(lines).counts.values.map { [$0.requests, $0.refused] } == [[1, 0]], "\(lines)")
        }
        let refused = tally([came, Self.line("watch", "a", stage: "ResponseStarted", code: 403)])
        #expect(refused.counts.values.map { [$0.requests, $0.refused] } == [[1, 1]])
        let twice = tally([came, came, started, started, Self.line("watch", "a"), Self.line("watch", "a")])
        #expect(requests(twice, "watch", "pods") == 2)
    }

    @Test func `requests whose client gave them the same identifier are all counted`() {
        let started = Self.line("watch", "a", stage: "ResponseStarted")
        let both = tally([started, started, Self.line("watch", "a"), Self.line("watch", "a"), Self.line("watch", "a")])
        #expect(requests(both, "watch", "pods") == 3)
    }

    @Test func `they are told apart by who asked how for what, and from how many addresses`() {
        let tally = tally([
            Self.line("list", "1"), Self.line("list", "2", address: "10.0.0.12"),
            Self.line("list", "3", user: "system:node:node2", address: "10.0.0.12"),
            Self.line("get", "4", user: "labrun", program: "kubectl/v1.32.4 (linux/amd64)", code: 404),
            Self.line(
                "update", "5", user: "labrun-operator", program: "", code: 409,
                object: #""resource":"ciliumnodes","apiGroup":"cilium.io","subresource":"status""#),
            Self.line("get", "6", user: "labrun", program: "labrun", object: nil, path: "/openapi/v2?timeout=32s"),
        ])
        let rows = tally.table.split(separator: "\n").map(String.init)
        #expect(
            rows == [
                "client\tuser\tverb\tresource\trequests\trefused",
                "kubectl\tlabrun\tget\tpods\t1\t1",
                "kubelet\tsystem:node:node1\tlist\tpods\t2\t0",
                "kubelet\tsystem:node:node2\tlist\tpods\t1\t0",
                "labrun\tlabrun\tget\t/openapi\t1\t0",
                "labrun-operator\tlabrun-operator\tupdate\tciliumnodes.cilium.io/status\t1\t1",
            ])
        #expect(tally.addresses["kubelet"]?.count == 2)
    }

    @Test func `paths, queries and bodies do not come into the table`() {
        let secret = "eyJhbGciOi"
        let tally = tally([
            Self.line("get", "1", path: "/api/v1/secrets/\(secret)?token=\(secret)"),
            Self.line("get", "2", object: nil, path: "/version?token=\(secret)"),
            Self.line("get", "3", object: #""resource":"secrets","name":"\#(secret)","namespace":"\#(secret)""#),
        ])
        #expect(tally.counts.count == 3)
        #expect(!tally.table.contains(secret))
    }

    @Test func `what came before the run is left out`() {
        let lines = [
            Self.line("list", "1", received: "2026-11-30T12:46:01.999999Z"),
            Self.line("list", "2", received: "2026-11-30T12:46:02.000000Z"),
        ]
        #expect(requests(tally(lines, since: "2026-11-30T12:46:02"), "list", "pods") == 1)
        #expect(requests(tally(lines), "list", "pods") == 2)
    }

    @Test func `a client that calls itself something else each time fills no memory`() {
        var tally = RequestTally()
        for number in 0..<20_000 {
            let text = "/" + String(repeating: "x", count: 300)
            let line = Self.line("verb\(number)", "\(number)", program: "\(number)\\u0009\\u001b[31m", path: text)
            tally.take(line: Array(line.utf8))
        }
        #expect(tally.counts.count > 4_000 && tally.counts.count <= 8_001)
        #expect(tally.counts.values.reduce(0) { $0 + $1.requests } + tally.unread == 20_000)
        #expect(tally.table.split(separator: "\n").allSatisfy { $0.filter { $0 == "\t" }.count == 5 })
        #expect(!tally.table.contains("\u{1B}"))
    }

    /// Whatever becomes of a line, it is a request, a line that could not be read, or none of either.
    @Test func `changed lines are counted or told, and never trap`() {
        var random = SplitMix64(seed: 31)
        let seeds = [
            Self.line("watch", "a", stage: "ResponseStarted"), Self.line("list", "b"),
            Self.line("get", "c", object: nil, path: "/apis/apps/v1"),
        ].map { Array($0.utf8) }
        var tally = RequestTally()
        var lines = 0
        for _ in 0..<10_000 {
            var line = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0..<line.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: line[place] = UInt8.random(in: 0...255, using: &random)
                case 1: line.remove(at: place)
                case 2: line.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: line.removeSubrange(place...)
                }
                if line.isEmpty { break }
            }
            if line.isEmpty { continue }
            lines += 1
            tally.take(line: line)
        }
        let counted = tally.counts.values.reduce(0) { $0 + $1.requests }
        #expect(tally.unread > 1_000 && counted > 100 && counted + tally.unread <= lines)
        #expect(
            tally.table.utf8.allSatisfy { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\n") || (0x20..<0x7F ~= $0) })
    }

    // MARK: Files

    @Test func `the log and the full one before it are read, and nothing else of the folder`() throws {
        let folder = NSTemporaryDirectory() + "labrun-audit-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func write(_ name: String, _ text: String) throws {
            try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
        }
        // A watch that began in the one has ended in the other, and the last line was cut off by the server's end.
        try write(
            "audit-2026-11-30T12-46-10.000.log",
            Self.line("watch", "a", stage: "ResponseStarted") + "\n" + Self.line("list", "b") + "\n")
        try write("audit.log", Self.line("watch", "a") + "\n\n" + Self.line("get", "c").dropLast(40))
        try write("audit.txt", Self.line("list", "d"))
        let tally = try RequestTally(folder: folder)
        #expect(tally.counts.values.reduce(0) { $0 + $1.requests } == 2)
        #expect(tally.unread == 1)
        #expect(try RequestTally(folder: folder, since: Date(timeIntervalSince1970: 2_000_000_000)).isEmpty)
    }

    @Test func `lines are the same however the octets come`() {
        let text = Array("one\n\nthree\r\nlonger than ten octets\nlast".utf8)
        var random = SplitMix64(seed: 5)
        for _ in 0..<200 {
            var cutter = LineCutter(longest: 10)
            var lines: [String] = []
            var rest = text[...]
            while !rest.isEmpty {
                let size = Int.random(in: 1...8, using: &random)
                cutter.take(rest.prefix(size)) { lines.append(String(decoding: $0, as: UTF8.self)) }
                rest = rest.dropFirst(size)
            }
            cutter.end { lines.append(String(decoding: $0, as: UTF8.self)) }
            #expect(lines == ["one", "", "three\r", "longer than", "last"])
        }
    }
}
