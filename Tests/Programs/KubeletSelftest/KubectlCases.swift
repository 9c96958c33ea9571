import Certificates
import Foundation
import KubeClient
import KubeletServer
import LinuxKernel

/// What kubectl does, one after the other.
let kubectlCases: [(name: String, run: @Sendable (TestNode, String) async throws -> Void)] = [
    ("exec", exec), ("exit status", exitStatus), ("1 MiB through exec", megabyte), ("exec -it", terminal),
    ("logs", logs), ("logs -f", followedLogs), ("attach", attach), ("port-forward", portForward),
    ("refusals", refusals), ("words on the wire", wire),
]

@Sendable private func exec(_ node: TestNode, _ kubectl: String) async throws {
    let words = "a  \"b\" $c é"
    let echoed = try await node.run(kubectl, ["exec", "web", "-c", "app", "--", "printf", "%s", words])
    try expect(echoed.status == 0 && echoed.text == words, "\(echoed)")
    let both = try await node.run(
        kubectl, ["exec", "web", "-c", "app", "--", "sh", "-c", "echo out; echo err >&2"])
    try expect(both.text == "out\n" && both.errors.contains("err\n"), "\(both)")
}

@Sendable private func exitStatus(_ node: TestNode, _ kubectl: String) async throws {
    let ended = try await node.run(kubectl, ["exec", "web", "-c", "app", "--", "sh", "-c", "echo bye; exit 3"])
    try expect(ended.status == 3 && ended.text == "bye\n", "\(ended)")
    try expect(ended.errors.contains("command terminated with exit code 3"), "\(ended)")
}

@Sendable private func megabyte(_ node: TestNode, _ kubectl: String) async throws {
    let block = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let ended = try await node.run(kubectl, ["exec", "-i", "web", "-c", "app", "--", "cat"], input: block)
    try expect(ended.status == 0 && ended.output == block, "\(ended.output.count) bytes, \(ended.errors)")
}

/// kubectl itself has a terminal here, so it takes the one of the pod into raw mode and tells its size.
@Sendable private func terminal(_ node: TestNode, _ kubectl: String) async throws {
    let process = try node.start(
        kubectl, ["exec", "-it", "web", "-c", "app", "--", "sh"], terminal: true)
    var window = winsize(ws_row: 43, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(process.output, UInt(TIOCSWINSZ), &window)
    let output = Collected()
    let input = TypedInput()
    async let shown: Void = RemoteStreams(input: input.input, output: output.output, isTerminal: true).connect(
        input: process.input, output: process.output)
    input.type("tty && echo is a $((1000+1))-terminal\n")
    try await output.wait(for: "is a 1001-terminal")
    // The size may come a moment after the shell.
    let deadline = Deadline.after(.seconds(10))
    while !output.text.contains("size 43 132") {
        try expect(!deadline.hasPassed, output.text)
        input.type("echo size $(stty size)\n")
        try await Task.sleep(for: .milliseconds(100))
    }
    input.type("exit 5\n")
    try await shown
    let status = await process.end()
    try expect(status == 5, "status \(status): \(output.text)")
}

@Sendable private func logs(_ node: TestNode, _ kubectl: String) async throws {
    let first = try await node.run(kubectl, ["logs", "web", "-c", "app", "--limit-bytes=8"])
    try expect(first.text == "started\n", "\(first)")
    let timed = try await node.run(kubectl, ["logs", "web", "-c", "app", "--timestamps"])
    try expect(timed.text.split(separator: "\n").first?.hasSuffix("Z started") == true, "\(timed)")
    try expect(LogTime(String(timed.text.split(separator: " ").first ?? "")) != nil, "\(timed)")
    let none = try await node.run(kubectl, ["logs", "web", "-c", "app", "--tail=0"])
    try expect(none.text.isEmpty && none.status == 0, "\(none)")
}

@Sendable private func followedLogs(_ node: TestNode, _ kubectl: String) async throws {
    let process = try node.start(kubectl, ["logs", "-f", "web", "-c", "app", "--tail=1"])
    let output = Collected()
    async let shown: Void = RemoteStreams(output: output.output).connect(
        input: nil, output: process.output, errors: process.errors)
    try await output.wait(for: "\n")
    let word = "followed-\(UUID().uuidString)"
    node.backend.tell(TestNode.container, "\(word)\n")
    let from = MonotonicTime.now
    try await output.wait(for: "got \(word)")
    print("a line took \(MonotonicTime.now.since(from)) from the program to kubectl")
    kill(process.identifier, SIGKILL)
    try await shown
    _ = await process.end()
}

@Sendable private func attach(_ node: TestNode, _ kubectl: String) async throws {
    let process = try node.start(kubectl, ["attach", "-i", "web", "-c", "app"])
    let output = Collected()
    let input = TypedInput()
    async let shown: Void = RemoteStreams(input: input.input, output: output.output, errors: output.output).connect(
        input: process.input, output: process.output, errors: process.errors)
    let word = "typed-\(UUID().uuidString)"
    input.type("\(word)\n")
    try await output.wait(for: "got \(word)")
    try await output.wait(for: "warned \(word)")
    kill(process.identifier, SIGKILL)
    input.end()
    try await shown
    _ = await process.end()
}

@Sendable private func portForward(_ node: TestNode, _ kubectl: String) async throws {
    let echo = try EchoServer()
    let process = try node.start(kubectl, ["port-forward", "pod/web", ":\(echo.port)"])
    let output = Collected()
    async let shown: Void = RemoteStreams(output: output.output, errors: output.output).connect(
        input: nil, output: process.output, errors: process.errors)
    try await output.wait(for: " -> \(echo.port)")
    guard let line = output.text.split(separator: "\n").first(where: { $0.contains("127.0.0.1:") }),
        let port = line.split(separator: ":").last?.split(separator: " ").first.flatMap({ UInt16($0) })
    else { throw Unexpected(description: output.text) }
    for size in [5, 1 << 20, 5] {
        let block = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 17 &+ $0 >> 8) }
        let answer = Collected()
        let descriptor = try await node.backend.connect(to: port, of: TestNode.pod)
        let reading = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        let input = TypedInput()
        input.type(block)
        async let copied: Void = RemoteStreams(input: input.input, output: answer.output).connect(
            input: descriptor, output: reading)
        let deadline = Deadline.after(.seconds(20))
        while answer.bytes.count < size {
            try expect(!deadline.hasPassed, "\(answer.bytes.count) of \(size) bytes: \(output.text)")
            try await Task.sleep(for: .milliseconds(2))
        }
        try expect(answer.bytes == block, "other bytes")
        shutdown(reading, Int32(SHUT_RDWR))
        input.end()
        try await copied
    }
    kill(process.identifier, SIGTERM)
    try await shown
    _ = await process.end()
    echo.stop()
}

@Sendable private func refusals(_ node: TestNode, _ kubectl: String) async throws {
    let missing = try await node.run(kubectl, ["exec", "web", "-c", "app", "--", "/no/such/program"])
    try expect(missing.status == 1 && missing.errors.contains("error executing command in container"), "\(missing)")
    let other = try await node.run(kubectl, ["exec", "web", "-c", "mute", "--", "true"])
    try expect(other.status == 1 && other.errors.contains("container \"mute\" not found in pod \"web\""), "\(other)")
    let previous = try await node.run(kubectl, ["logs", "web", "-c", "app", "--previous"])
    try expect(
        previous.errors.contains("previous terminated container \"app\" in pod \"web\" not found"), "\(previous)")
    let process = try node.start(kubectl, ["port-forward", "pod/web", ":9"])
    let output = Collected()
    async let shown: Void = RemoteStreams(output: output.output, errors: output.output).connect(
        input: nil, output: process.output, errors: process.errors)
    try await output.wait(for: " -> 9")
    let port = output.text.split(separator: "\n").first?.split(separator: ":").last?.split(separator: " ").first
    guard let port = port.flatMap({ UInt16($0) }) else { throw Unexpected(description: output.text) }
    let descriptor = try await node.backend.connect(to: port, of: TestNode.pod)
    try await output.wait(for: "error forwarding port 9 to pod web")
    close(descriptor)
    kill(process.identifier, SIGKILL)
    try await shown
    _ = await process.end()
}

/// What this kubectl speaks: newer ones ask for WebSocket first, and the API server passes it through or translates it.
@Sendable private func wire(_ node: TestNode, _ kubectl: String) async throws {
    let ended = try await node.run(kubectl, ["exec", "-v=9", "web", "-c", "app", "--", "true"])
    try expect(ended.status == 0, ended.errors)
    let words = ["Sec-Websocket-Protocol: v5.channel.k8s.io", "X-Stream-Protocol-Version: v4.channel.k8s.io"]
    let spoken = words.filter { ended.errors.lowercased().contains($0.lowercased()) }
    print("exec speaks \(spoken.isEmpty ? "what its log does not tell" : spoken.joined(separator: " and "))")
}

/// Who is not the API server, and what else the API server's clients may ask.
func strangers(_ node: TestNode) async throws {
    func status(_ credential: KubeCredential, _ path: String) async throws -> Int {
        var server = node.plane.admin
        server.host = TestNode.nodeAddress
        server.port = node.server.port
        server.credential = credential
        let client = KubeClient(server, userAgent: "selftest")
        let answer = try await client.send(KubeRequest(method: "GET", path: path), within: .seconds(10))
        await client.close()
        return answer.status
    }
    try expect(try await status(.none, "/pods") == 401, "nobody")
    try expect(try await status(.token("x"), "/pods") == 401, "a token")
    let credentials = try await node.plane.nodeCredentials("node1")
    try expect(try await status(credentials.server.credential, "/pods") == 403, "a node")
    try expect(try await status(node.plane.admin.credential, "/pods") == 200, "the administrator")
    let stranger = try CertificateAuthority("another").issue(
        CertificateSubject("kube-apiserver-kubelet-client", organizations: ["system:masters"], for: [.client]))
    do {
        let answer = try await status(
            .certificate(chainPEM: stranger.certificatePEM, keyPEM: stranger.keyPEM), "/pods")
        throw Unexpected(description: "another authority's certificate is answered with \(answer)")
    } catch let error as KubeClientError { print("another authority's certificate: \(error)") }
    let summary = try await node.admin.send(
        KubeRequest(method: "GET", path: "/api/v1/nodes/node1/proxy/stats/summary"), within: .seconds(10))
    try expect(summary.status == 200, "\(summary.status) \(String(decoding: summary.body, as: UTF8.self))")
}
