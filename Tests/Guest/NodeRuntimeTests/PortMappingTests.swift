import JSON
import Kubelet
import Testing

@testable import NodeRuntime

@Suite struct PortMappingTests {
    private func plan(_ mappings: [PortMapping]) -> SandboxPlan {
        SandboxPlan(
            pod: PodIdentity(namespace: "shop", name: "web", uid: "uid-web"), id: String(repeating: "a", count: 64),
            attempt: 0, isHostNetwork: false, hostname: "web", resolver: "", labels: [:], annotations: [:],
            portMappings: mappings, sysctls: [:], controlGroup: [], sharesProcesses: false)
    }

    /// The form of CNI's conventions, as containerd writes it.
    @Test func `plugins get mappings in the form of containerd`() {
        let runtime = NodePodRuntime.runtimeConfiguration(
            plan([
                PortMapping(hostIP: "", hostPort: 8080, containerPort: 80, protocolName: "TCP"),
                PortMapping(hostIP: "10.0.0.11", hostPort: 53, containerPort: 5353, protocolName: "UDP"),
            ]))
        #expect(
            JSONValue.object(runtime).canonicalText
                == #"{"portMappings":[{"containerPort":80,"hostIP":"","hostPort":8080,"protocol":"tcp"},"#
                + #"{"containerPort":5353,"hostIP":"10.0.0.11","hostPort":53,"protocol":"udp"}]}"#)
        #expect(NodePodRuntime.runtimeConfiguration(plan([])) == [:])
    }
}
