import Foundation
import Glibc
import NamespaceHarness
import RunEvents
import Testing

/// What pods of a lab with a control plane are: the agents themselves, webhooks, usual manifests.
@Suite(.serialized) struct PodLabTests {
    /// A scenario that ends by itself, and what was asked of its lab before.
    private func run(
        _ scenario: String, asking questions: [[String]] = []
    ) async throws -> (status: Int32, verdicts: [String], messages: [String], answers: [LabrunProgram.Ended]) {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let labrun = try LabrunProgram()
        let lane = await LabLanes.shared.lane(alone: true)
        defer { lane.end() }
        var verdicts: [String] = []
        var messages: [String] = []
        var answers: [LabrunProgram.Ended] = []
        let status = try await labrun.watch(
            [LabrunProgram.scenario(scenario)], in: folder, questions.isEmpty ? [] : ["--keep"]
        ) { event, process in
            switch event.payload {
            case .stepFinished(_, let step): verdicts.append(step.verdict.rawValue)
            case .log(let record) where record.message.hasPrefix("the lab is kept"):
                for question in questions {
                    answers.append(try await labrun.run(["lab", "kubectl", "--"] + question))
                }
                kill(process.processIdentifier, SIGINT)
            case .log(let record) where record.level == .warning: messages.append(record.message)
            default: break
            }
        }
        #expect(try await HostState.leftovers(of: folder, since: before) == [])
        // A lab that ended before it was kept has answered nothing.
        #expect(answers.count == questions.count, "\(status): \(messages)")
        return (status, verdicts, messages, answers)
    }

    @Test func `agents are a DaemonSet's pods, which their kubelets start again`() async throws {
        let ended = try await run(
            "agents-in-pods",
            asking: [
                ["exec", "-n", "kube-system", "daemonset/labrun-datapath", "--", "datapathd", "status", "--brief"],
                ["logs", "-n", "kube-system", "daemonset/labrun-datapath", "--tail=1"],
                [
                    "get", "pods", "-n", "kube-system", "-l", "k8s-app=labrun-datapath", "-o",
                    "jsonpath={.items[*].spec.priorityClassName}",
                ],
            ])
        #expect(ended.status == 130)
        #expect(ended.verdicts == Array(repeating: "pass", count: 4), "\(ended.messages)")
        guard ended.answers.count == 3 else { return }
        #expect(ended.answers[0].output == "OK\n", "\(ended.answers[0])")
        #expect(ended.answers[1].status == 0 && !ended.answers[1].output.isEmpty, "\(ended.answers[1])")
        #expect(ended.answers[2].output == "system-node-critical system-node-critical", "\(ended.answers[2])")
    }

    @Test func `a node that the DaemonSet keeps away from is never ready`() async throws {
        let ended = try await run("agents-kept-away")
        #expect(ended.status == 0)
        #expect(ended.verdicts == ["pass"], "\(ended.messages)")
    }

    /// The denial of a webhook on a node's own network is heard; one in the overlay is not reached, as on EKS.
    @Test func `the API server calls webhooks in pods as far as it reaches them`() async throws {
        let ended = try await run(
            "webhooks",
            asking: [
                ["create", "configmap", "-n", "asked", "plain"],
                ["get", "configmap", "-n", "asked", "plain", "-o", "jsonpath={.metadata.labels.seen}"],
                ["label", "configmap", "-n", "asked", "plain", "team=red"],
                ["create", "secret", "generic", "-n", "asked", "unreached"],
                ["logs", "webhook"],
            ])
        #expect(ended.verdicts == ["pass", "pass"], "\(ended.messages)")
        guard ended.answers.count == 5 else { return }
        #expect(ended.answers[0].status == 0, "\(ended.answers[0])")
        #expect(ended.answers[1].output == "yes", "\(ended.answers[1])")
        #expect(
            ended.answers[2].errors.contains(
                #"admission webhook "validate.labrun.dev" denied the request: label team=red is denied"#),
            "\(ended.answers[2])")
        #expect(
            ended.answers[3].errors.contains("failed calling webhook \"overlay.labrun.dev\""), "\(ended.answers[3])")
        // The request's deadline and that of its dial are the same moment, and Go tells whichever timer ran first.
        #expect(
            ended.answers[3].errors.contains("context deadline exceeded")
                || ended.answers[3].errors.contains("i/o timeout"), "\(ended.answers[3])")
        #expect(ended.answers[4].output.contains("webhook: HTTPS 8443"), "\(ended.answers[4])")
    }

    /// Nobody joins node3 but the autoscaler, and nobody ends it but the autoscaler.
    @Test func `an autoscaler launches a node and ends it when it is empty`() async throws {
        let ended = try await run("autoscaled-node")
        #expect(ended.status == 0)
        #expect(ended.verdicts == Array(repeating: "pass", count: 4), "\(ended.messages)")
    }

    @Test func `host ports lead to pods, and a node that is short of memory evicts one`() async throws {
        let ended = try await run("pods-and-their-node")
        #expect(ended.status == 0)
        #expect(ended.verdicts == ["pass", "pass", "pass"], "\(ended.messages)")
    }

    @Test func `a cloud controller makes routes for the ranges of nodes that come and go`() async throws {
        let ended = try await run("native-routes")
        #expect(ended.status == 0)
        #expect(ended.verdicts == ["pass", "pass", "pass"], "\(ended.messages)")
    }

    @Test func `a gateway routes requests, and routes that are refused say why`() async throws {
        let ended = try await run("gateways")
        #expect(ended.status == 0)
        #expect(ended.verdicts == ["pass", "pass"], "\(ended.messages)")
    }

    @Test func `a set of usual manifests comes up`() async throws {
        let ended = try await run("guestbook")
        #expect(ended.status == 0)
        #expect(ended.verdicts == ["pass"], "\(ended.messages)")
    }
}
