import Foundation
import Glibc
import NamespaceHarness
import RunEvents
import Testing

/// Labs with Kubernetes' own servers.
@Suite(.serialized) struct ControlPlaneLabTests {
    /// Everything that one lab can show, because each boots servers and nodes.
    @Test func `servers come up with the nodes, break and mend, serve kubectl, and end with labrun`() async throws {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let labrun = try LabrunProgram()
        let lane = await LabLanes.shared.lane(alone: true)
        defer { lane.end() }
        var lab: LabDescription?
        var faults: [FaultRecord] = []
        var verdicts: [String] = []
        var failures: [String] = []
        var asked: [LabrunProgram.Ended] = []
        let status = try await labrun.watch(
            [LabrunProgram.scenario("control-plane")], in: folder, ["--keep"]
        ) { event, process in
            switch event.payload {
            case .labDescribed(let described): lab = described
            case .fault(_, let record): faults.append(record)
            case .stepFinished(_, let step): verdicts.append(step.verdict.rawValue)
            case .log(let record) where record.message.hasPrefix("the lab is kept"):
                for arguments in [
                    ["lab", "list", "--json"],
                    ["lab", "kubectl", "control-plane", "--", "get", "--raw", "/readyz"],
                    ["lab", "kubectl", "eks-control-plane", "--", "get", "namespaces", "-o", "name"],
                    ["lab", "kubectl", "--", "get", "nothing-of-this-kind"],
                    ["lab", "kubectl", "another-lab", "--", "get", "nodes"],
                    ["lab", "kubectl", "--", "get", "ciliumnodes", "-o", "wide"],
                ] {
                    asked.append(try await labrun.run(arguments))
                }
                kill(process.processIdentifier, SIGKILL)
            case .log(let record) where record.level == .warning: failures.append(record.message)
            default: break
            }
        }
        #expect(status == 128 + SIGKILL)
        #expect(try await HostState.leftovers(of: folder, since: before) == [])

        #expect(lab?.controlPlane?.address == "10.0.9.4")
        #expect(lab?.controlPlane?.version.hasPrefix("v1.") == true)
        #expect(verdicts == Array(repeating: "pass", count: 7), "\(failures)")
        let kinds = [
            "api-server-down", "etcd-slow", "scheduler-down", "controller-manager-down", "operator-down",
            "api-server-slow",
        ]
        for kind in kinds {
            let states = faults.filter { $0.kind == kind }
            #expect(states.map(\.state) == [.injected, .verified, .healed], "\(kind)")
            // The proof names a request and its answer, there and gone.
            #expect(states.dropFirst().allSatisfy { $0.evidence.joined().contains(/after [0-9]+ ms/) }, "\(states)")
        }

        #expect(asked.count == 6)
        guard asked.count == 6 else { return }
        #expect(asked[0].status == 0 && asked[0].output.contains("\"scenario\" : \"control-plane\""), "\(asked[0])")
        #expect(asked[1].status == 0 && asked[1].output == "ok", "\(asked[1])")
        #expect(asked[2].status == 0 && asked[2].output.contains("namespace/default\n"), "\(asked[2])")
        #expect(asked[3].status == 1 && asked[3].errors.contains("nothing-of-this-kind"), "\(asked[3])")
        #expect(asked[4].status == 2 && asked[4].errors.contains("no lab another-lab runs"), "\(asked[4])")

        // What the operator gave, through its end and its return: the shares of the lab's plan.
        let nodes = asked[5].output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(asked[5].status == 0 && nodes.count == 3, "\(asked[5])")
        for (row, share) in zip(nodes.dropFirst(), [1, 2]) {
            #expect(row.contains("192.168.\(share).0/24"), "\(row)")
        }

        let artifacts = "\(folder.path)/report/artifacts"
        let names = try FileManager.default.contentsOfDirectory(atPath: artifacts)
        for name in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "labrun-operator", "audit"]
        {
            #expect(names.contains("\(name).log"), "\(names)")
        }
        #expect(try secrets(in: folder.path) == [])
    }

    /// A deployment's pods are bound by the scheduler, and run by the nodes that it chose. A kubectl that is much newer
    /// than the servers is served as well as their own.
    @Test func `nodes register and run what the scheduler gives them`() async throws {
        let folder = try ScratchFolder()
        // Not where the lab writes: kubectl's own text has the words that begin a key.
        let package = try ScratchFolder()
        let newer = try await NewerKubectl(in: package)
        let before = try HostState.read()
        let labrun = try LabrunProgram()
        let lane = await LabLanes.shared.lane(alone: true)
        defer { lane.end() }
        var verdicts: [String] = []
        var asked: [LabrunProgram.Ended] = []
        var answers: [String: NewerKubectl.Answer] = [:]
        var messages: [String] = []
        let status = try await labrun.watch(
            [LabrunProgram.scenario("nodes-run-pods")], in: folder, ["--keep"]
        ) { event, process in
            switch event.payload {
            case .stepFinished(_, let step): verdicts.append(step.verdict.rawValue)
            case .log(let record) where record.message.hasPrefix("the lab is kept"):
                for arguments in [
                    ["get", "nodes", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"],
                    ["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.phase}"],
                    ["logs", "deployment/web"], ["exec", "deployment/web", "--", "sh", "-c", "exit 3"],
                    ["exec", "deployment/web", "--", "cat", "/etc/resolv.conf"],
                ] {
                    asked.append(try await labrun.run(["lab", "kubectl", "--"] + arguments))
                }
                // Whatever it throws, the lab has to end.
                do { answers = try await newer.converse(labrun, in: folder) } catch { Issue.record(error) }
                kill(process.processIdentifier, SIGINT)
            case .log(let record) where record.level == .warning: messages.append(record.message)
            default: break
            }
        }
        #expect(status == 130)
        #expect(try await HostState.leftovers(of: folder, since: before) == [])
        #expect(verdicts == ["pass"], "\(messages)")
        #expect(asked.count == 5)
        guard asked.count == 5 else { return }
        #expect(asked[0].output == "True True", "\(asked[0])")
        #expect(asked[1].output == "Running Running Running", "\(asked[1])")
        #expect(asked[2].output.contains("echo: TCP and UDP 8080"), "\(asked[2])")
        #expect(asked[3].errors.contains("exit code 3"), "\(asked[3])")
        // The name server of the pod's DNS policy, ClusterFirst.
        #expect(asked[4].output.contains("nameserver 10.100.0.10\n"), "\(asked[4])")
        expectServed(answers, nodes: 2)
        let requests = try folder.report().lab?.controlPlane?.requests
        for client in ["kubectl", "kubelet", "datapathd", "labrun-operator", "labrun"] {
            let told = requests?.clients.filter { $0.name == client } ?? []
            #expect(told.contains { $0.requests > 0 }, "\(client): \(String(describing: requests))")
        }
        #expect(requests?.clients.first { $0.name == "kubelet" }?.count(of: "watch") ?? 0 >= 2)
        #expect(requests?.unreadLines == 0)
        #expect(try secrets(in: folder.path) == [])
    }

    /// The names of files that have a private key or a token in them.
    private func secrets(in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).filter { name in
            guard let bytes = FileManager.default.contents(atPath: "\(folder)/\(name)") else { return false }
            // The first is how every header of a JSON web token begins.
            return ["eyJhbGciOi", "PRIVATE KEY", "client-key-data"].contains { bytes.range(of: Data($0.utf8)) != nil }
        }
    }

    @Test func `a server that ends though nobody asked it to is an infra-error that names it`() async throws {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let lane = await LabLanes.shared.lane(alone: true)
        defer { lane.end() }
        var isStruck = false
        let status = try await LabrunProgram().watch(
            [LabrunProgram.scenario("slow-node")], in: folder, ["--set", "controlPlane.enabled=true"]
        ) { event, process in
            guard !isStruck, case .fault(_, let record) = event.payload, record.state == .verified else { return }
            isStruck = true
            let servers = HostState.descendants(of: process.processIdentifier)
            let scheduler = try #require(servers.first { $0.name.hasPrefix("kube-scheduler") }, "\(servers)")
            kill(scheduler.pid, SIGKILL)
        }
        #expect(isStruck)
        #expect(status == 3)
        let report = try folder.report()
        #expect(report.verdict == .infraError)
        #expect(
            report.message.hasPrefix("kube-scheduler of the control plane ended: signal 9"), "\(report.message)")
        let artifacts = report.artifacts.filter { ["audit-log", "control-plane-log"].contains($0.kind) }.map(\.path)
        #expect(artifacts.count >= 5, "\(artifacts)")
        #expect(try await HostState.leftovers(of: folder, since: before) == [])
    }

    /// Nothing is booted for a folder without the programs.
    @Test func `programs that are not there are told before anything starts`() async throws {
        let folder = try ScratchFolder()
        let ended = try await LabrunProgram().run([
            "scenario", LabrunProgram.scenario("control-plane"), "--control-plane-bin", folder.path,
            "--report-dir", "\(folder.path)/report",
        ])
        #expect(ended.status == 2)
        #expect(
            ended.errors.contains(
                "lacks etcd, kube-apiserver, kube-controller-manager, kube-scheduler"), "\(ended.errors)")
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/report"))
    }
}
