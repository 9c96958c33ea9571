import Glibc
import KubeletServer
import LinuxKernel

// The kubelet's API through a real API server, asked by kubectl, in namespaces of its own. The test runs it under
// unshare(1). LABRUN_CONTROL_PLANE_BIN names the folder of the servers and of kubectl, LABRUN_KUBECTL further
// programs kubectl, with colons between them.
// Usage: kubelet-selftest kubectl

do {
    let begin = MonotonicTime.now
    func note(_ text: String) {
        print("\(Int(MonotonicTime.now.since(begin).seconds * 1000)) ms: \(text)")
        // A test that is given up has told how far it came.
        fflush(nil)
    }
    let node = try await TestNode()
    note("control plane and node are there")
    // It says what it was told on its standard input.
    let script = "echo started; while read -r line; do echo \"got $line\"; echo \"warned $line\" >&2; done"
    try node.backend.start(TestNode.container, ["/bin/sh", "-c", script])
    for kubectl in node.kubectls {
        for (name, run) in kubectlCases {
            let from = MonotonicTime.now
            try await run(node, kubectl)
            note("\(name) with \(kubectl): \(Int(MonotonicTime.now.since(from).seconds * 1000)) ms")
        }
    }
    try await strangers(node)
    await node.stop()
    print("passed")
} catch {
    print("failed: \(error)")
    exit(1)
}
