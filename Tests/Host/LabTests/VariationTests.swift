import Foundation
import Glibc
import NamespaceHarness
import Reports
import RunEvents
import Testing

/// Labs of other sizes, several labs at once, other users and other faults, on real nodes.
@Suite(.serialized) struct VariationTests {
    @Test func `two labs at the same time do not see each other`() async throws {
        async let first = FinishedRun("vxlan-blocked-8472", ["--nodes", "2"])
        async let second = FinishedRun("vxlan-blocked-8472", ["--nodes", "2"])
        for run in try await [first, second] {
            run.ended.expectPass(run.report)
        }
    }

    @Test func `a lab of one node`() async throws {
        try await FinishedRun(LabrunProgram.scenario("everything-open"), ["--nodes", "1"]).expectAllPairs(nodes: 1)
    }

    @Test func `the VPC and the internet see the sources that the configuration says`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("egress-matrix"))
        run.ended.expectPass(run.report)
    }

    @Test(arguments: [
        ["no-vxlan", "slow"],
        ["mess"],
        ["pause"],
    ])
    func `faults do what they say and are undone`(names: [String]) async throws {
        let run = try await FinishedRun.shared("faults-come-and-go")
        run.ended.expectPass(run.report)
        for name in names {
            let states = run.report.steps.flatMap(\.faults).filter { $0.id == name }.map(\.state)
            #expect(states == [.verified, .healed], "\(name)")
        }
    }

    /// Steps whose names say what the nodes count, and that a restarted agent, and one with other values, trace as they
    /// are told to.
    @Test func `without traces the flow cache serves packets, and with them it serves none`() async throws {
        let run = try await FinishedRun.shared("without-traces")
        run.ended.expectPass(run.report)
        for (name, wanted) in [
            ("untraced", "used"), ("cut", "used"), ("still-untraced", "used"), ("control", "unused"),
        ] {
            let step = try #require(run.report.steps.first { $0.name == name })
            let counts = step.expectations.filter { $0.name.hasPrefix("flow cache of") }
            #expect(counts.count == 2 && counts.allSatisfy { $0.state == .met && $0.name.hasSuffix(wanted) }, "\(name)")
        }
    }

    /// The rule comes when the flow cache serves the streams, and ends them.
    @Test(arguments: ["tcp", "udp"]) func `a policy ends streams that the flow cache serves`(proto: String) async throws
    {
        let run = try await FinishedRun.shared("without-traces")
        let step = try #require(run.report.steps.first { $0.name == "cut" })
        let streams = try #require(step.expectations.first { $0.name.hasPrefix("streams: \(proto)") })
        #expect(streams.message.hasPrefix("0 of 4 streams live"), "\(streams.message)")
    }

    @Test func `without traces a cause is named, and the chain says that there are none`() async throws {
        let run = try await FinishedRun.shared("without-traces")
        let step = try #require(run.report.steps.first { $0.name == "blocked" })
        #expect(step.diagnosis?.found.first?.id == "underlay/vxlan-port-blocked")
        let chains = (step.matrix?.cells ?? []).map(\.why).filter { !$0.isEmpty }
        #expect(!chains.isEmpty)
        #expect(!chains.joined().contains { $0.detail.contains(" traced ") })
        #expect(chains.joined().contains { $0.detail.contains("traces are switched off on node1") && $0.seen == nil })
    }

    @Test func `an expectation that is not met fails the run, names the cells and nothing else`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("wrong-expectation"), ["--nodes", "2"])
        #expect(run.ended.status == 1, "\(run.ended.output)\n\(run.ended.errors)")
        #expect(run.report.verdict == .fail)
        let results = run.report.steps.first?.expectations ?? []
        #expect(results.filter { $0.state == .unmet }.count == 1)
        #expect(results.first { $0.state == .unmet }?.message.contains("cells are not timeout") == true)
    }

    @Test func `the cloud's router, resolver and internet carry what they should, and nothing else`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("vpc-traffic"))
        run.ended.expectPass(run.report)
        #expect(run.report.steps.first?.diagnosis?.found.first?.id == "cloud/security-group-rejected")
    }

    /// Nobody injected a fault here, so the diagnosis can only have looked at the evidence.
    @Test func `the cause is named without a fault to know of`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("vxlan-never-allowed"))
        run.ended.expectPass(run.report)
        let step = try #require(run.report.steps.first)
        #expect(step.faults.isEmpty)
        #expect(step.diagnosis?.found.first?.id == "underlay/vxlan-port-blocked")
    }

    @Test func `a fault that conflicts with another is refused with the reason`() async throws {
        let run = try await FinishedRun.shared("faults-without-effect")
        #expect(run.ended.status == 4, "\(run.ended.output)\n\(run.ended.errors)")
        let step = try #require(run.report.steps.first { $0.name == "conflict" })
        #expect(step.verdict == .inconclusive)
        let refused = try #require(step.faults.first { $0.id == "slow" })
        #expect(refused.state == .refused)
        #expect(refused.evidence.joined().contains("because of fault \"power\""))
    }

    @Test func `a run with nothing wrong but a refused fault is inconclusive`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("fault-refused"))
        #expect(run.ended.status == 4, "\(run.ended.output)\n\(run.ended.errors)")
        #expect(run.report.verdict == .inconclusive)
        #expect(run.report.message.contains("fault slow was refused"), "\(run.report.message)")
        let steps = run.report.steps
        #expect(steps.flatMap(\.expectations).allSatisfy { $0.state == .met } && steps.count == 1)
        #expect(steps.flatMap(\.faults).map(\.id) == ["power", "slow"])
        #expect(steps.flatMap(\.faults).first { $0.id == "slow" }?.state == .refused)
    }

    @Test func `a fault whose effect is not proven is inconclusive`() async throws {
        let run = try await FinishedRun.shared("faults-without-effect")
        #expect(run.ended.status == 4, "\(run.ended.output)\n\(run.ended.errors)")
        #expect(run.report.verdict == .inconclusive)
        #expect(run.report.message.contains("not proven"))
        // Every measured cell is as expected, and still the step does not pass.
        let step = try #require(run.report.steps.first { $0.name == "unproven" })
        #expect(step.verdict == .inconclusive)
        #expect(step.matrix?.cells.isEmpty == false)
        #expect(step.matrix?.cells.allSatisfy { $0.verdict != .fail } == true)
    }

    /// A pod's own netfilter drops what the pod gets. That is as expected, but the run never passes, however often it
    /// is measured.
    @Test func `silence that nothing on record explains is measured again, and inconclusive`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("silence-without-a-cause"))
        #expect(run.ended.status == 4, "\(run.ended.output)\n\(run.ended.errors)")
        #expect(run.report.verdict == .inconclusive)
        let silent = try #require(run.report.steps.last?.expectations.first)
        #expect(
            silent.state == .inconclusive && silent.message.contains("says why") && silent.retries > 0
                && silent.lastUnmet != nil)
        #expect((run.ended.output + run.ended.errors).contains("silent: measured again: matrix 1"))
        #expect(run.report.steps.first?.expectations.allSatisfy { $0.retries == 0 } == true)
    }

    /// The way through the overlay is a step of the scenario kube-proxy-free.
    @Test func `without an overlay, backends answer callers directly too`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("direct-return-natively"))
        run.ended.expectPass(run.report)
    }

    /// The user is `nobody`, with a home and a cache of its own. The image is copied from ours, so that nothing is
    /// downloaded.
    @Test(.enabled(if: geteuid() == 0, "only root can become another user"))
    func `an ordinary user can do all of it`() async throws {
        let labrun = try LabrunProgram()
        let folder = try ScratchFolder()
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "/root") + "/.cache"
        let script = """
            mkdir -p "$DIR/cache" && cp -a "$CACHE/labrun" "$DIR/cache/" && chown -R 65534:65534 "$DIR" || exit 99
            cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR HOME="$DIR" \
            XDG_CACHE_HOME="$DIR/cache" "$PROGRAM" scenario vxlan-blocked-8472 --nodes 2 --report-dir "$DIR/report"
            """
        let lane = await LabLanes.shared.lane()
        defer { lane.end() }
        let ended = try await LabrunProgram.run(
            "/bin/sh", ["-c", script],
            environment: ["DIR": folder.path, "CACHE": cache, "PROGRAM": labrun.path])
        try ended.passed(in: folder)
    }
}
