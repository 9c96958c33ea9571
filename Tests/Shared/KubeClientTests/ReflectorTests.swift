import Hashing
@testable import KubeClient
import Synchronization
import Testing

@Suite struct ReflectorTests {
    private struct Named: Decodable, Sendable, Equatable {
        struct Metadata: Decodable, Equatable { let name: String }
        let metadata: Metadata
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            metadata = try container.decode(Metadata.self, forKey: .metadata)
        }
        private enum CodingKeys: CodingKey { case metadata }
    }

    private static func object(_ name: String, _ version: Int) -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)"}}"#
    }
    private static func line(_ type: String, _ name: String, _ version: Int) -> String {
        #"{"type":"\#(type)","object":\#(object(name, version))}"# + "\n"
    }
    private static func list(_ names: [String], _ version: Int) -> ScriptedServer.Step {
        let items = names.map { object($0, 1) }.joined(separator: ",")
        return .answer(#"{"metadata":{"resourceVersion":"\#(version)"},"items":[\#(items)]}"#)
    }
    private static let expired = #"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#

    /// What a reflector told, in words, and how long it wanted to wait; it does not wait.
    private final class Told: Sendable {
        private final class Record: Sendable {
            let words = Mutex<[String]>([])
            let pauses = Mutex<[Duration]>([])
        }
        private let record = Record()
        private let task: Task<Void, Never>

        init(_ client: KubeClient) {
            var settings = ReflectorSettings()
            settings.chance = { 0 }
            settings.pause = { [record] pause in
                record.pauses.withLock { $0.append(pause) }
                try await Task.sleep(for: .milliseconds(1))
            }
            let reflector = Reflector<Named>(client, .pods, fieldSelector: "spec.nodeName=a", settings: settings)
            task = Task { [record] in
                for await update in reflector.updates() {
                    record.words.withLock { $0.append(Self.words(of: update)) }
                }
                record.words.withLock { $0.append("end") }
            }
        }

        deinit { cancel() }
        func cancel() { task.cancel() }
        var all: [String] { record.words.withLock { $0 } }
        var pauses: [Duration] { record.pauses.withLock { $0 } }

        private static func words(of update: ReflectorUpdate<Named>) -> String {
            switch update {
            case .listed(let objects): "listed " + objects.map(\.metadata.name).joined(separator: ",")
            case .added(let object): "added \(object.metadata.name)"
            case .modified(let object): "modified \(object.metadata.name)"
            case .deleted(let object): "deleted \(object.metadata.name)"
            case .unreadable(let object): "unreadable \(object.name)"
            case .disconnected(let reason): "disconnected " + reason.prefix(24)
            case .connected: "connected"
            }
        }
    }

    @Test func `a list, then what happens, then the end`() async throws {
        let server = try ScriptedServer { received in
            received.query["watch"] == nil ? [Self.list(["a", "b"], 5)] : [.beginChunks, .follow]
        }
        let told = Told(server.client())
        try await eventually("the watch") { server.streams == 1 }
        server.push(Self.line("ADDED", "c", 6) + Self.line("MODIFIED", "a", 7))
        server.push(#"{"type":"MODIFIED","object":{"metadata":{"name":"x","resourceVersion":"8"},"y":1}}"# + "\n")
        server.push(#"{"type":"ADDED","object":{"metadata":{"name":5,"resourceVersion":"9"}}}"# + "\n")
        server.push(Self.line("DELETED", "b", 10))
        try await eventually("all are told") { told.all.count == 7 }
        #expect(
            told.all == [
                "connected", "listed a,b", "added c", "modified a", "modified x", "unreadable ", "deleted b",
            ])
        #expect(server.received[0].query == ["resourceVersion": "0", "fieldSelector": "spec.nodeName%3Da"])
        #expect(server.received[1].query["resourceVersion"] == "5")
        told.cancel()
        try await eventually("it ends") { told.all.last == "end" && server.openConnections <= 1 }
        #expect(told.pauses.isEmpty)
    }

    @Test func `after a lost connection it goes on from the last version, a bookmark's as well`() async throws {
        let server = try ScriptedServer { received in
            received.query["watch"] == nil ? [Self.list([], 5)] : [.beginChunks, .follow]
        }
        let told = Told(server.client())
        try await eventually("the watch") { server.streams == 1 }
        server.push(Self.line("ADDED", "a", 6))
        try await eventually("it is told") { told.all.last == "added a" }
        server.endStreams(cut: true)
        try await eventually("the second watch") { server.streams == 1 && server.received.count == 3 }
        server.push(Self.line("BOOKMARK", "", 70))
        server.push(Self.line("ADDED", "b", 71))
        server.push(Self.line("BOOKMARK", "", 90))
        try await eventually("it is told") { told.all.last == "added b" }
        server.endStreams()
        try await eventually("the third watch") { server.received.count == 4 }
        #expect(
            told.all.map { $0.prefix(12) } == [
                "connected", "listed ", "added a", "disconnected", "connected", "added b",
            ])
        #expect(server.received[1...].map { $0.query["resourceVersion"] } == ["5", "6", "90"])
        #expect(server.received.filter { $0.query["watch"] == nil }.count == 1)
    }

    @Test func `an expired version lists the newest state again`() async throws {
        let server = try ScriptedServer { received in
            switch received.index {
            case 0: [Self.list(["a"], 5)]
            case 1: [.answer(410, Self.expired)]
            case 2: [Self.list(["b"], 50)]
            case 3: [.beginChunks, .chunk(#"{"type":"ERROR","object":\#(Self.expired)}"# + "\n"), .endChunks]
            case 4: [Self.list(["c"], 60)]
            default: [.beginChunks, .follow]
            }
        }
        let told = Told(server.client())
        try await eventually("the last watch") { server.streams == 1 }
        #expect(told.all == ["connected", "listed a", "listed b", "listed c"])
        #expect(server.received[2].query["resourceVersion"] == nil && server.received[2].query["limit"] == "500")
        #expect(server.received[5].query["resourceVersion"] == "60")
    }

    @Test func `a version that the server has not seen lists again`() async throws {
        let future =
            #"{"code":504,"reason":"Timeout","message":"Timeout: Too large resource version: 9, current: 5","#
            + #""details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}]}}"#
        let server = try ScriptedServer { received in
            switch received.index {
            case 0: [Self.list(["a"], 9)]
            case 1: [.answer(504, future)]
            case 2: [Self.list(["b"], 5)]
            default: [.beginChunks, .follow]
            }
        }
        let told = Told(server.client())
        try await eventually("the watch") { server.streams == 1 }
        #expect(told.all == ["connected", "listed a", "listed b"])
    }

    @Test func `a server that is away is told once, and each new reason`() async throws {
        let server = try ScriptedServer { received in
            switch received.index {
            case 0...2: [.answer(503, "starting")]
            case 3...4: [.answer(403, "forbidden")]
            case 5: [Self.list(["a"], 5)]
            default: [.beginChunks, .follow]
            }
        }
        let told = Told(server.client())
        try await eventually("the watch") { server.streams == 1 }
        #expect(
            told.all == [
                "disconnected status 503: starting", "disconnected status 403: forbidden",
                "connected", "listed a",
            ])
        #expect(told.pauses == [100, 200, 400, 800, 1600].map { .milliseconds($0) })
    }

    @Test func `a server that ends watches at once is not asked without pauses`() async throws {
        let server = try ScriptedServer { received in
            received.query["watch"] == nil ? [Self.list([], 5)] : [.beginChunks, .endChunks]
        }
        let told = Told(server.client())
        try await eventually("a few pauses") { told.pauses.count >= 8 }
        let requests = server.received.count
        let pauses = told.pauses
        #expect(pauses[0] == .milliseconds(100) && pauses[7] == .milliseconds(2500))
        #expect(requests <= pauses.count + 2)
        #expect(told.all.filter { $0.hasPrefix("dis") }.isEmpty)
    }

    @Test func `a watch that is forbidden is not listed without pauses`() async throws {
        let server = try ScriptedServer { received in
            received.query["watch"] == nil ? [Self.list([], 5)] : [.answer(403, "no")]
        }
        let told = Told(server.client())
        try await eventually("a few pauses") { told.pauses.count >= 12 }
        told.cancel()
        #expect(told.pauses[11] == .milliseconds(2500))
    }

    @Test func `pauses grow, have a bound, and differ`() {
        var settings = ReflectorSettings()
        settings.chance = { 0.999 }
        let longest = (1...10).map { settings.pause(afterFailures: $0).milliseconds }
        #expect(longest == [199, 399, 799, 1599, 3198, 4997, 4997, 4997, 4997, 4997])
        settings.chance = { 0 }
        #expect((1...6).map { settings.pause(afterFailures: $0).milliseconds } == [100, 200, 400, 800, 1600, 2500])
        #expect(settings.pause(afterFailures: .max) == .milliseconds(2500))
        #expect(settings.pause(afterFailures: .min) == .milliseconds(100))
    }

    /// A minute of a server that is away, in the reflectors' own time: 16 clients with seven resources each.
    @Test func `many clients do not storm`() {
        var random = SplitMix64(seed: 9)
        var perSecond = [Int](repeating: 0, count: 60)
        for _ in 0..<16 * 7 {
            var settings = ReflectorSettings()
            let chance = Mutex(Double.random(in: 0..<1, using: &random))
            settings.chance = { chance.withLock { $0 } }
            var time = 0.0
            for failures in 1...1000 {
                perSecond[Int(time)] += 1
                chance.withLock { $0 = Double.random(in: 0..<1, using: &random) }
                time += Double(settings.pause(afterFailures: failures).milliseconds) / 1000
                if time >= 60 { break }
            }
        }
        // One request each 3.75 s on average, spread evenly once the first seconds are over.
        let later = perSecond[20...]
        #expect((25...35).contains(later.reduce(0, +) / later.count))
        #expect(later.allSatisfy { $0 <= 60 })
        #expect(perSecond[0] <= 16 * 7 * 4)
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
