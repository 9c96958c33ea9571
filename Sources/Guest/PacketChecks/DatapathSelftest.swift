import BPF
import Datapath
import DatapathModel
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Runs the embedded programs in this kernel by `BPF_PROG_TEST_RUN`: a packet goes in, and the exact packet, verdict,
/// events and metrics come out. Afterwards it runs them once over interfaces in a network namespace of its own. It
/// touches no interface of the node and pins nothing. It needs root.
public enum DatapathSelftest {
    static let cases =
        LXCCases.all + ConnectionCases.all + ServiceCases.all + PolicyCases.all + ProxyCases.all + OverlayCases.all
        + HostCases.all + NATCases.all
        + RoutingCases.all + BandwidthCases.all + NetfilterCases.all + NodeServiceCases.all
        + DirectReturnCases.all + DeliveryCases.all

    /// Reasons that no packet can provoke. The kernel refuses a tunnel key only for a wrong length or flag, and refuses
    /// to write a packet or a mapping only if it lacks memory. An LRU table gives up an old entry for a new one unless
    /// processors contend for the last free ones. Requests are denied by the proxy, not by a program.
    static let unreachable: Set<Reason> = [
        .policyDeniedRequest, .policyDeniedName, .tunnelKeyRefused, .connectionInsertionFailed, .serviceRefused,
        .natRefused,
    ]

    /// Runs `labverify selftest [--json] [--fuzz N] [--seed N]` and prints the report.
    ///
    /// - Parameter lack: Why no check can run on this machine, or nil if they can.
    /// - Returns: The exit code: 0 passed, 1 failed, 2 wrong usage, 3 nothing could run.
    public static func main(arguments: [String], lack: String? = nil) -> Int32 {
        var json = false
        var fuzz = SelftestFuzz.Plan()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--json":
                json = true
            case "--fuzz":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count >= 0 else { return usage() }
                fuzz.packets = count
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return usage() }
                fuzz.seed = seed
            default:
                return usage()
            }
        }
        let report =
            lack.map { SelftestReport(kernel: kernelRelease(), programs: [], results: [], lack: $0) }
            ?? isolatedRun(fuzz)
        if json, let text = try? report.json() {
            print(text)
        } else {
            print(report.text)
        }
        return report.outcome.rawValue
    }

    private static func usage() -> Int32 {
        print("usage: labverify selftest [--json] [--fuzz PACKETS-PER-PROGRAM] [--seed N]")
        return 2
    }

    /// Runs in a network namespace without routes, so that the kernel's tables say the same everywhere.
    private static func isolatedRun(_ fuzz: SelftestFuzz.Plan) -> SelftestReport {
        do {
            return try NetworkNamespace.create().run { run(fuzz) }
        } catch {
            let failure = result("a network namespace of its own") { throw error }
            return SelftestReport(kernel: kernelRelease(), programs: [], results: [failure])
        }
    }

    /// Runs every check. An object that cannot be loaded is a failed check with the verifier's message.
    static func run(_ fuzz: SelftestFuzz.Plan = SelftestFuzz.Plan()) -> SelftestReport {
        var programs: [ProgramFacts] = []
        var results: [SelftestResult] = []
        var reasons: Set<Reason> = []
        for object in EmbeddedObject.allCases where object != .sock {
            do {
                var bench = try SelftestBench(object)
                let tested = TestedProgram.allCases.filter { $0.object == object }
                programs += try bench.facts(of: object)
                results.append(result("\(object.rawValue): loads") { [] })
                results += try run(tested, on: &bench, seen: &reasons, fuzz)
            } catch {
                results.append(result("\(object.rawValue): loads and runs") { throw error })
            }
        }
        for tunnel in TunnelProtocol.allCases {
            results.append(
                result(
                    "real interfaces, \(tunnel.rawValue): attached, encapsulated, delivered",
                    needing: KernelPart(tunnel)
                ) {
                    try WireTest.problems(tunnel)
                })
        }
        results.append(
            result("real interfaces, vxlan: delivered to the pod's end", needing: .vxlan) {
                try WireTest.problems(.vxlan, isDelivered: true)
            })
        results.append(result("real interfaces, native: routed, delivered") { try NativeWireTest.problems() })
        results.append(result("departure times follow the egress rate") { try BandwidthCases.departures() })
        results.append(
            result("sock: loads") {
                programs += try SocketPrograms.facts()
                return []
            })
        results.append(result("services at the socket", needing: .controlGroups) { try SocketWireTest.problems() })
        for isDelivered in [false, true] {
            let way = isDelivered ? "delivered by the caller's program" : "by both interfaces"
            results.append(
                result("services between real sockets, \(way)") {
                    try ServiceWireTest.problems(isDelivered: isDelivered)
                })
        }
        results.append(result("services from outside between real sockets") { try NodePortWireTest.problems() })
        results.append(
            result("real interfaces: masqueraded and answered, by programs and by nf_tables", needing: .masquerade) {
                try MasqueradeWireTest.problems()
            })
        results.append(
            result("traces leave room for drops, and are counted without") { try EventRoomTest.problems() })
        results.append(
            result("flow cache: known flows fare as by the long way, until something changes") {
                try FlowCacheTest.problems()
            })
        results.append(result("an agent that starts again") { try RestartCases.problems() })
        results.append(
            result("programs of an earlier agent: kept, or verified anew") { try KeptProgramsTest.problems() })
        results.append(
            result("every reachable drop reason occurred") {
                Set(Reason.drops).subtracting(unreachable).subtracting(reasons).map { "never occurred: \($0)" }
            })
        return SelftestReport(kernel: kernelRelease(), programs: programs, results: results)
    }

    private static func run(
        _ programs: [TestedProgram], on bench: inout SelftestBench, seen: inout Set<Reason>, _ plan: SelftestFuzz.Plan
    ) throws -> [SelftestResult] {
        var results: [SelftestResult] = []
        for test in cases where programs.contains(test.program) {
            results.append(run(test, on: &bench, seen: &seen))
        }
        if let test = cases.first(where: { programs.contains($0.program) }) {
            let observation = try bench.observe(test)
            results.append(noticesMistakes(in: test, observation))
        }
        for program in programs {
            var fuzz = SelftestFuzz(seed: plan.seed, cases: cases.filter { $0.program == program })
            results.append(
                result("\(program.rawValue): \(plan.packets) fuzzed packets, seed \(plan.seed)") {
                    try fuzz.problems(program, count: plan.packets, on: &bench)
                })
        }
        return results
    }

    private static func run(
        _ test: SelftestCase, on bench: inout SelftestBench, seen: inout Set<Reason>
    ) -> SelftestResult {
        let name = "\(test.program.rawValue): \(test.name)"
        do {
            let observation = try bench.observe(test)
            seen.formUnion(observation.metrics.keys.map(\.reason))
            return result(name) { SelftestJudge.problems(test, observation) }
        } catch let error as SystemError where error.code == EINVAL && Frame.isCutShort(test.packet) {
            return SelftestResult(
                name: name, passed: true, problems: [], skipped: "this kernel's test run takes no such packet")
        } catch {
            return result(name) { throw error }
        }
    }

    /// Checks that the judge objects to each kind of wrong expectation. Otherwise its silence would mean nothing.
    private static func noticesMistakes(
        in test: SelftestCase, _ observation: SelftestBench.Observation
    ) -> SelftestResult {
        var output = test.output ?? test.packet
        output[0] ^= 1
        var wrong: [(String, SelftestCase)] = [
            ("verdict", test.expecting(verdict: test.verdict == .drop ? .pass : .drop)),
            ("packet", test.expecting(output: output)),
            ("events", test.expecting(events: [])),
            ("metrics", test.expecting(silent: .truncated)),
        ]
        if !observation.connections.isEmpty { wrong.append(("connections", test.expecting(connections: []))) }
        return result("\(test.program.rawValue): wrong expectations are noticed") {
            wrong.filter { SelftestJudge.problems($0.1, observation).isEmpty }.map { "wrong \($0.0) went unnoticed" }
        }
    }

    /// - Parameter part: The part of the kernel without which the check does not run, or nil if it needs none that a
    ///   machine with BPF lacks.
    private static func result(
        _ name: String, needing part: KernelPart? = nil, _ check: () throws -> [String]
    ) -> SelftestResult {
        if let lack = part?.lack() { return SelftestResult(name: name, passed: true, problems: [], skipped: lack) }
        do {
            let problems = try check()
            return SelftestResult(name: name, passed: problems.isEmpty, problems: problems, skipped: nil)
        } catch let failure as LoadFailure {
            let log = failure.log.split(separator: "\n").suffix(40).map(String.init)
            return SelftestResult(
                name: name, passed: false, problems: ["\(failure)"] + failure.messages + log, skipped: nil)
        } catch {
            return SelftestResult(name: name, passed: false, problems: ["\(error)"], skipped: nil)
        }
    }

    package static func kernelRelease() -> String {
        var names = utsname()
        guard uname(&names) == 0 else { return "unknown" }
        return withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension SelftestCase {
    fileprivate func expecting(
        verdict: Verdict? = nil, output: [UInt8]? = nil, events: [ExpectedEvent]? = nil, silent: Reason? = nil,
        connections: [TestConnection]? = nil
    ) -> SelftestCase {
        SelftestCase(
            name: name, program: program, setup: setup, isDelivered: isDelivered, nat: nat, policy: policy,
            bandwidth: bandwidth, prior: prior,
            packet: packet,
            mark: mark,
            tunnelIdentifier: tunnelIdentifier,
            verdict: verdict ?? self.verdict, output: output ?? self.output, outputMark: outputMark,
            events: events ?? self.events, silent: silent ?? self.silent, connections: self.connections,
            connectionsAfter: connections ?? connectionsAfter)
    }
}
