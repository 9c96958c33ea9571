import NodeProtocol
import Testing

@Suite struct RecordTests {
    static let outcomes: [ProbeOutcome] = [
        .open, .refused, .reset, .unreachable(code: 13), .timeout(error: 0), .timeout(error: 1), .loss(percent: 40),
        .notMeasured(error: 0), .notMeasured(error: 24),
    ]

    static let results = outcomes.enumerated().flatMap { index, outcome in
        ProbeProtocolCode.allCases.map { code in
            ProbeResult(
                sourceIndex: UInt32(index), targetIndex: 70_000, protocol: code, outcome: outcome,
                roundTripMicros: 1_234_567, sent: 10, answered: 6, localPort: 40_001,
                seen: index % 2 == 0 ? nil : SeenAddress(address: 0x0A00_000B, port: 65_535))
        }
    }

    @Test func resultsSurvive() {
        #expect(ProbeResults.decode(ProbeResults.encode(Self.results)) == Self.results)
        #expect(ProbeResults.decode(ProbeResults.encode([])) == [])
    }

    @Test func sightingsSurvive() {
        let sightings = ProbeProtocolCode.allCases.map {
            Sighting(
                plan: .max, sourceIndex: 1, targetIndex: 2, protocol: $0,
                seen: SeenAddress(address: 0xC0A8_0102, port: 8080), receiver: 0x0A00_000C)
        }
        #expect(Sightings.decode(Sightings.encode(sightings)) == sightings)
        #expect(sightings[0].receiverText == "10.0.0.12")
        #expect(sightings[0].seen.description == "192.168.1.2:8080")
    }

    @Test func everyTruncationIsRefused() {
        let whole = ProbeResults.encode(Self.results)
        for count in whole.indices { #expect(ProbeResults.decode(Array(whole.prefix(count))) == nil) }
        let seen = Sightings.encode([])
        for count in seen.indices { #expect(Sightings.decode(Array(seen.prefix(count))) == nil) }
        #expect(Sightings.decode(whole) == nil)
    }

    @Test(arguments: [11, 12, 13]) func randomBytesNeverTrap(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let whole = ProbeResults.encode(Self.results)
        var read = 0
        for _ in 0..<3000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            #expect(Sightings.decode(bytes) == nil)
            guard let results = ProbeResults.decode(bytes) else { continue }
            read += 1
            #expect(results.count == Self.results.count)
        }
        #expect((1..<3000).contains(read), "\(read) of 3000 were read")
    }

    @Test func messagesSurvive() throws {
        let pod = PodSpec(namespace: "default", name: "web-1", uid: "u", labels: ["app": "ü\u{1}"], port: 8080)
        let frame = try Frame.request(.createPod(pod), session: 9, id: 4)
        guard case .createPod(let back) = try frame.decode(NodeRequest.self) else {
            Issue.record("another request")
            return
        }
        #expect(back.labels == pod.labels)
        #expect(!frame.json.contains(0xFF))
    }
}
