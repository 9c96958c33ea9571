import Hashing
import NetAddress
import Testing

@testable import Operator

@Suite struct RangeDecisionTests {
    /// Shares 10.0.0.64/26, .128/26 and .192/26; the first one is nobody's.
    static func pool(_ planned: [String: String] = [:], _ ranges: [String] = ["10.0.0.0/24"]) throws -> RangePool {
        try RangePool(OperatorSettings(pool: ranges, maskSize: 26, planned: planned))
    }

    private static func words(_ actions: [RangeAction]) -> [String] {
        actions.map { action in
            switch action {
            case .give(let holder, let range): "\(holder.name) gets \(range)"
            case .say(let holder, let error): "\(holder.name): \(error == nil ? "well again" : "none left")"
            }
        }
    }

    private func decide(
        _ holders: [RangeHolder], planned: [String: String] = [:], known: [String: String] = [:]
    ) throws -> [String] {
        let decision = RangeDecision(pool: try Self.pool(planned))
        return Self.words(decision.actions(holders, known: known.compactMapValues { IPv4CIDR(network: $0) }))
    }

    @Test func `nodes get the next free shares in the order in which they came`() throws {
        let nodes = [RangeHolder(name: "b", created: "1"), RangeHolder(name: "a", created: "2")]
        #expect(try decide(nodes) == ["b gets 10.0.0.64/26", "a gets 10.0.0.128/26"])
    }

    @Test func `a node gets the share that is planned for it unless it is taken`() throws {
        let planned = ["a": "10.0.0.128/26", "b": "10.0.0.64/26"]
        #expect(try decide([RangeHolder(name: "a")], planned: planned) == ["a gets 10.0.0.128/26"])
        let other = RangeHolder(name: "x", ranges: ["10.0.0.128/26"])
        // Not .64, which is planned for b, as long as there is another one.
        #expect(try decide([other, RangeHolder(name: "a")], planned: planned) == ["a gets 10.0.0.192/26"])
        let more = RangeHolder(name: "y", ranges: ["10.0.0.192/26"])
        #expect(try decide([other, more, RangeHolder(name: "a")], planned: planned) == ["a gets 10.0.0.64/26"])
    }

    @Test func `a range that is held stays held, whatever the pool is`() throws {
        let nodes = [
            RangeHolder(name: "a", ranges: ["10.0.0.192/26"], created: "2"),
            RangeHolder(name: "b", ranges: ["172.16.0.0/24"], created: "1"),
            // Another length than the shares': it takes .64 and .128.
            RangeHolder(name: "c", ranges: ["10.0.0.64/27"]), RangeHolder(name: "d", ranges: ["10.0.0.160/27"]),
        ]
        #expect(try decide(nodes) == [])
        #expect(try decide(nodes + [RangeHolder(name: "e")]) == ["e: none left"])
    }

    @Test func `who comes later with a range that is another node's gets a new one`() throws {
        let nodes = [
            RangeHolder(name: "a", ranges: ["10.0.0.64/26"], created: "2"),
            RangeHolder(name: "b", ranges: ["10.0.0.64/26"], created: "1"),
        ]
        #expect(try decide(nodes) == ["a gets 10.0.0.128/26"])
        #expect(try decide(nodes, known: ["a": "10.0.0.64/26"]) == ["b gets 10.0.0.128/26"])
        // What it was known to hold is no claim to what it names now.
        #expect(try decide(nodes, known: ["a": "10.0.0.192/26"]) == ["a gets 10.0.0.128/26"])
    }

    @Test func `a used up pool is said once, and taken back`() throws {
        let full = (1...3).map { RangeHolder(name: "n\($0)", ranges: ["10.0.0.\($0 * 64)/26"]) }
        #expect(try decide(full + [RangeHolder(name: "a")]) == ["a: none left"])
        let words = try Self.pool().exhaustion
        #expect(words == "no podCIDR left: the pool 10.0.0.0/24 has 3 shares of /26, and all are taken")
        let told = RangeHolder(name: "a", error: words)
        #expect(try decide(full + [told]) == [])
        #expect(try decide(Array(full.dropFirst()) + [told]) == ["a gets 10.0.0.64/26", "a: well again"])
        let held = RangeHolder(name: "a", ranges: ["10.0.0.64/26"], error: words)
        #expect(try decide([held]) == ["a: well again"])
    }

    @Test(arguments: ["", "10.0.0.65/26", "10.0.0.64", "ten"]) func `a text that is no range is none`(_ text: String)
        throws
    {
        #expect(try decide([RangeHolder(name: "a", ranges: [text])]) == ["a gets 10.0.0.64/26"])
        // Behind one that is in use it changes nothing, and nobody else gets that one.
        let both = RangeHolder(name: "a", ranges: ["10.0.0.64/26", text], created: "1")
        #expect(try decide([both, RangeHolder(name: "b", created: "2")]) == ["b gets 10.0.0.128/26"])
    }

    @Test(arguments: [
        (["10.0.0.0/24"], 23), (["10.0.0.0/24"], 33), (["10.0.0.1/24"], 26), (["ten"], 26), (["0.0.0.0/0"], 32),
    ])
    func `pools that are none`(_ ranges: [String], _ mask: Int) {
        #expect(throws: OperatorError.self) { try RangePool(OperatorSettings(pool: ranges, maskSize: mask)) }
    }

    /// Nodes come, go, come back with what they had, and take what others have: no two that are settled share anything.
    @Test(arguments: 0..<40 as Range<UInt64>) func `no range is two nodes'`(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pool = try Self.pool(["n1": "10.0.0.128/26", "n2": "10.0.1.0/26"], ["10.0.0.0/24", "10.0.1.0/25"])
        let decision = RangeDecision(pool: pool)
        var holders: [RangeHolder] = []
        var known: [String: IPv4CIDR] = [:]
        for step in 0..<200 {
            let name = "n\(Int.random(in: 0..<9, using: &random))"
            switch Int.random(in: 0..<4, using: &random) {
            case 0: holders.removeAll { $0.name == name }
            case 1: known = [:]
            default:
                guard !holders.contains(where: { $0.name == name }) else { continue }
                let old = ["10.0.0.64/26", "10.0.0.128/25", "10.0.1.32/27"].randomElement(using: &random)
                holders.append(
                    RangeHolder(name: name, ranges: Bool.random(using: &random) ? [old ?? ""] : [], created: "\(step)"))
            }
            let before = holders
            let actions = decision.actions(holders.shuffled(using: &random), known: known)
            for action in actions {
                switch action {
                case .give(let holder, let range):
                    let index = try #require(holders.firstIndex { $0.name == holder.name })
                    holders[index].ranges = [range.description]
                case .say(let holder, let error):
                    let index = try #require(holders.firstIndex { $0.name == holder.name })
                    holders[index].error = error
                }
            }
            for held in known.keys {
                let named = before.first { $0.name == held }?.ranges.first
                guard let named, named == known[held]?.description else { continue }
                let now = holders.first { $0.name == held }?.ranges
                #expect(now == known[held].map { [$0.description] }, "\(held) lost its range at step \(step)")
            }
            known = RangeDecision.held(holders, after: [])
            // A second look finds nothing to do, or it would never end.
            #expect(decision.actions(holders, known: known) == [], "step \(step)")
            let ranges = holders.filter { $0.error == nil }.flatMap { $0.ranges.compactMap { IPv4CIDR(network: $0) } }
            for (index, range) in ranges.enumerated() {
                #expect(!ranges[..<index].contains { $0.overlaps(range) }, "\(range) twice at step \(step): \(holders)")
            }
        }
    }
}
