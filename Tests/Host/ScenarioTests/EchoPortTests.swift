import KubeObjects
import Testing

@testable import Scenario

@Suite struct EchoPortTests {
    @Test(arguments: [
        ("echo", "echo"), ("docker.io/library/nginx:1.25", "echo"), ("quay.io/cilium/json-mock:v1.3.8", "json-mock"),
        ("registry:5000/team/webhook@sha256:00", "webhook"), ("labrun/datapathd", "datapathd"),
    ])
    func `an image is a workload of nodes`(_ image: String, _ workload: String) {
        #expect(LabImages.workload(of: image) == .builtIn(workload))
    }

    @Test func `others are programs or nothing`() {
        #expect(LabImages.workload(of: "busybox:1.36") == .program)
        #expect(LabImages.workload(of: "curlimages/curl") == .program)
        #expect(LabImages.workload(of: "nobody/knows:1") == nil)
    }

    private func container(_ image: String, port: UInt16? = nil, command: [String] = []) -> Pod.Container {
        var container = Pod.Container(name: "c")
        container.image = image
        container.command = command
        if let port { container.ports = [Pod.Port(containerPort: port)] }
        return container
    }

    @Test func `a program's port is not the prober's`() {
        #expect(EchoPort(nil).port(of: [container("busybox", port: 81), container("echo", port: 9000)]) == 9000)
        #expect(EchoPort(nil).port(of: [container("webhook", port: 8443)]) == 8080)
        #expect(EchoPort(nil).port(of: [container("echo", port: 7, command: ["sleep", "1"])]) == 8080)
        #expect(EchoPort(nil).port(of: [container("nginx", port: 80), container("busybox")]) == 80)
    }
}
