import JSON
import Scenario
import Testing

@testable import Lab

@Suite struct AgentDaemonSetTests {
    private func spec(_ placement: [String: JSONValue] = [:]) throws -> JSONValue {
        var installation = DatapathInstallation()
        installation.kind = .daemonSet
        installation.placement = placement
        let manifest = AgentDaemonSet.manifest(installation)
        #expect(manifest.words == "DaemonSet kube-system/labrun-datapath")
        return try #require(manifest.value?["spec"]?["template"]?["spec"])
    }

    @Test func `its pods are the node's, and tolerate everything`() throws {
        let spec = try spec()
        #expect(spec["serviceAccountName"]?.text == LabAccounts.agent)
        #expect(spec["hostNetwork"] == .bool(true))
        #expect(spec["priorityClassName"]?.text == "system-node-critical")
        #expect(spec["tolerations"] == .array([.object(["operator": .string("Exists")])]))
        #expect(AgentDaemonSet.tokenFile == "/var/run/secrets/labrun.dev/datapathd/token")
        let mount = spec["containers"]?.elements?.first?["volumeMounts"]?.elements?.first
        #expect(mount?["mountPath"]?.text == "/var/run/secrets/labrun.dev/datapathd")
    }

    @Test func `a lab's placement takes the place of its own`() throws {
        let own = try spec(["tolerations": .array([]), "nodeSelector": .object(["a": .string("b")])])
        #expect(own["tolerations"] == .array([]))
        #expect(own["nodeSelector"]?["a"]?.text == "b")
    }
}
