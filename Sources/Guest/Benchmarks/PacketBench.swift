import BPF
import Datapath
import DatapathModel
import NetAddress
import PacketChecks
import Policy

/// Measures nanoseconds a packet by `BPF_PROG_TEST_RUN`. Only the programs' own share counts: the driver's time is
/// measured in the same round and subtracted. Every round measures every step once. Figures are medians over the rounds
/// and ratios are medians of the rounds' own ratios, so that a busy moment of the machine does not decide.
struct PacketBench {
    /// What a path may cost at most with many entries, as a multiple of its cost with few.
    static let flatness = 1.1

    private let rounds: Int
    private let runs: Int
    private var samples: [String: [Double]] = [:]

    init(rounds: Int, runs: Int) {
        self.rounds = rounds
        self.runs = runs
    }

    /// A loaded object, and the content of its maps.
    private final class Population {
        let name: String
        let object: EmbeddedObject
        var bench: SelftestBench
        let steps: [BenchStep]

        init(_ name: String, _ object: EmbeddedObject, steps: [BenchStep]) throws {
            self.name = name
            self.object = object
            bench = try SelftestBench(object)
            self.steps = steps
            guard var config = TestNode.config(.quiet) else { throw SelftestFailure(description: "no configuration") }
            config.translatesServices = true
            try bench.apply(.quiet)
            try bench.apply(.masquerading)
            try bench.config.update(ConfigEntry(config), for: 0)
            try bench.reachPods(atPeer: true)
        }
    }

    mutating func rows() throws -> [BenchRow] {
        let populations = try Self.populations()
        for round in 0..<rounds {
            for population in populations {
                for (index, step) in population.steps.enumerated() {
                    try population.bench.connections?.replace(with: [])
                    if step.program == .fromNetdev {
                        _ = try population.bench.nanoseconds(BenchPackets.masquerade[1], repeating: 1)
                    }
                    // The first runs find cold caches, and open the connection.
                    if round == 0 { _ = try population.bench.nanoseconds(step, repeating: 10) }
                    let whole = try population.bench.nanoseconds(step, repeating: runs)
                    let driver = try population.bench.driverNanoseconds(step, repeating: runs)
                    samples["\(population.name)/\(index)", default: []].append(max(whole - driver, 0))
                }
            }
        }
        return report() + (try populations.prefix(Self.objects).flatMap { try Self.verified($0) })
    }

    /// How many instructions the kernel's verifier walked for each program. On one kernel this repeats exactly.
    private static func verified(_ population: Population) throws -> [BenchRow] {
        try population.bench.facts(of: population.object).compactMap { facts in
            facts.verifiedInstructions.map {
                BenchRow(
                    name: "verified, \(facts.object)/\(facts.program)", value: Double($0), unit: "instructions",
                    how: "walked by this kernel's verifier when it took the program's \(facts.instructions)")
            }
        }
    }

    /// The first populations are of one object each.
    private static let objects = 3

    private static func populations() throws -> [Population] {
        let base = try Population(
            "lxc", .lxc,
            steps: [
                BenchPackets.sameNode, BenchPackets.toOverlay[0], BenchPackets.masquerade[0],
            ])
        let overlay = try Population(
            "overlay", .overlay, steps: [BenchPackets.toOverlay[1], BenchPackets.fromOverlay])
        let host = try Population("host", .host, steps: [BenchPackets.masquerade[1], BenchPackets.answer])
        return try [base, overlay, host] + serviceCounts.map { try services($0) } + entryCounts.map { try policies($0) }
    }

    private static let serviceCounts = [1, 100, 10_000]
    private static let entryCounts = [10, 10_000]

    private static func services(_ count: Int) throws -> Population {
        let population = try Population("services-\(count)", .lxc, steps: [BenchPackets.service])
        let services: Map<ServiceKey, ServiceEntry> = try population.bench.object.map(MapName.services)
        let backends: Map<UInt32, BackendEntry> = try population.bench.object.map(MapName.backends)
        for key in try services.keys() where key.address != TestServices.remote { try services.removeValue(for: key) }
        for number in 1..<count {
            let address = IPv4Address(10, 101, UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF))
            let backend = UInt32(100 + number)
            try backends.update(
                BackendEntry(
                    TestNode.remotePod, port: UInt16(1000 + number), protocol: TestServices.udp, isActive: true),
                for: backend)
            try services.update(
                ServiceEntry(backend: backend),
                for: ServiceKey(address, port: TestServices.port, protocol: TestServices.udp, slot: 1))
            try services.update(
                ServiceEntry(backends: 1, reverseIndex: UInt16(100 + number)),
                for: ServiceKey(address, port: TestServices.port, protocol: TestServices.udp))
        }
        return population
    }

    /// The pod's egress policy: one peer and this number of others are allowed at the port. Nobody else is.
    private static func policies(_ count: Int) throws -> Population {
        let population = try Population(
            "policy-\(count)", .lxc,
            steps: [BenchPackets.opening(allowed: true), BenchPackets.opening(allowed: false)])
        let others = (0..<max(0, count - 2)).map { number in
            TestPolicy.Entry(.egress, Identity(rawValue: UInt32(100_000 + number)), TestPolicy.udp, .allow, rule: 1)
        }
        let policy = TestPolicy(
            directions: [.egress],
            entries: others + [
                TestPolicy.Entry(.egress, TestNode.remoteIdentity, TestPolicy.udp, .allow, rule: 2),
                TestPolicy.Entry(.egress, nil, nil, .defaultDeny, rule: 3),
            ], revision: 1)
        try policy.write(to: population.bench.object)
        try population.bench.interfaces.update(
            InterfaceEntry(
                endpointID: TestNode.podID, identity: TestNode.podIdentity, ipv4: TestNode.pod, podMAC: TestNode.podMAC,
                hostMAC: TestNode.podHostMAC, enforcement: policy.enforcement), for: TestNode.podInterface)
        return population
    }

    private func report() -> [BenchRow] {
        let how = "\(rounds) rounds of \(runs) runs, less the driver"
        func path(_ name: String, _ steps: [String]) -> BenchRow {
            let parts = steps.map { median(samples[$0] ?? []) }
            let words = parts.count > 1 ? parts.map { BenchRow.number($0) }.joined(separator: " + ") + " ns; " : ""
            return BenchRow(name: name, value: parts.reduce(0, +), unit: "ns", how: words + how)
        }
        func flat(_ name: String, _ many: String, _ few: String) -> BenchRow {
            let ratios = zip(samples[many] ?? [], samples[few] ?? []).map { $0 / $1 }
            return BenchRow(name: name, value: median(ratios), unit: "×", atMost: Self.flatness, how: how)
        }
        return [
            path("pod to pod, same node", ["lxc/0"]), path("pod to overlay", ["lxc/1", "overlay/0"]),
            path("overlay to pod", ["overlay/1"]), path("pod to world, masqueraded", ["lxc/2", "host/0"]),
            path("world to pod, masqueraded", ["host/1"]),
        ] + Self.serviceCounts.map { path("service, one of \($0)", ["services-\($0)/0"]) }
            + Self.serviceCounts.dropFirst().map {
                flat("service, one of \($0) ÷ the only one", "services-\($0)/0", "services-1/0")
            }
            + ["allowed", "denied"].enumerated().flatMap { index, word in
                Self.entryCounts.map { path("new connection \(word), \($0) policy entries", ["policy-\($0)/\(index)"]) }
                    + [
                        flat(
                            "new connection \(word), 10000 policy entries ÷ 10", "policy-10000/\(index)",
                            "policy-10/\(index)")
                    ]
            }
    }
}
