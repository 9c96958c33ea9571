import Testing

@testable import KubeletServer

@Suite("Requests of the kubelet's API")
struct RequestTests {
    static let pod = PodReference(namespace: "shop", name: "web-0")
    static let container = ContainerReference(pod: pod, container: "app")
    static let podWithUID = PodReference(namespace: "shop", name: "web-0", uid: "u-1")

    @Test(
        "Paths",
        arguments: [
            ("GET", "/healthz", .health), ("GET", "/healthz/ping", .health), ("GET", "/pods", .pods),
            ("GET", "/pods/", .pods), ("GET", "/runningpods/", .runningPods), ("GET", "/stats/summary", .summary),
            ("GET", "/metrics", .metrics), ("GET", "/metrics/resource", .resourceMetrics),
            ("GET", "/containerLogs/shop/web-0/app", .logs(container)),
            ("GET", "/containerLogs/shop/web%2D0/app?follow=true", .logs(container)),
            ("POST", "/exec/shop/web-0/app?command=ls", .exec(container)),
            ("GET", "/exec/shop/web-0/u-1/app", .exec(ContainerReference(pod: podWithUID, container: "app"))),
            ("POST", "/attach/shop/web-0/app", .attach(container)),
            ("POST", "/run/shop/web-0/app?cmd=ls", .run(container)),
            ("POST", "/portForward/shop/web-0", .portForward(pod)),
            ("GET", "/portForward/shop/web-0/u-1", .portForward(podWithUID)),
        ] as [(String, String, KubeletRequest.Target)])
    func paths(method: String, uri: String, target: KubeletRequest.Target) throws {
        #expect(try KubeletRequest(method: method, uri: uri).target == target)
    }

    @Test(
        "What is refused",
        arguments: [
            ("GET", "/", 404), ("GET", "/exec/shop", 404), ("GET", "/secrets", 404), ("GET", "/metrics/cadvisor", 404),
            ("DELETE", "/pods", 405), ("GET", "/run/shop/web-0/app", 405), ("GET", "pods", 400),
            ("GET", "/pods/%zz", 400),
            ("GET", "/containerLogs/shop/web-0/%ff", 400), ("GET", "/containerLogs/shop/web-0/%4", 400),
            ("GET", "/pods?a=%+1", 400), ("GET", "*", 400),
        ])
    func refused(method: String, uri: String, status: Int) {
        #expect { try KubeletRequest(method: method, uri: uri) } throws: {
            ($0 as? KubeletRefusal)?.status == status
        }
    }

    @Test("Queries keep order and repetition")
    func query() throws {
        let request = try KubeletRequest(
            method: "POST", uri: "/exec/shop/web-0/app?command=sh&command=-c&command=echo+%22a%2Bb%22&tty&output=1")
        #expect(request.query.map(\.name) == ["command", "command", "command", "tty", "output"])
        #expect(request.query.map(\.value) == ["sh", "-c", "echo \"a+b\"", "", "1"])
        let options = try CommandOptions(request.query)
        #expect(options.command == ["sh", "-c", "echo \"a+b\""])
        #expect(options.hasOutput && !options.hasInput && !options.isTerminal)
    }

    @Test("10,000 mutated targets are read or refused")
    func mutated() {
        var random = SeededNumbers(seed: 7)
        let target = Array("/exec/shop/web%2D0/u-1/app?command=sh&command=-c&input=1&output=1&tty=1&x=%C3%A9".utf8)
        var refused = 0
        for _ in 0..<10_000 {
            let uri = String(decoding: random.mutated(target), as: UTF8.self)
            do {
                let request = try KubeletRequest(method: "POST", uri: uri)
                _ = try CommandOptions(request.query)
            } catch { refused += 1 }
        }
        #expect((500..<9_900).contains(refused), "\(refused) of 10,000 refused")
    }

    @Test("A terminal has no stream of its own for errors")
    func terminal() throws {
        let options = try CommandOptions([("output", "1"), ("error", "1"), ("tty", "1")])
        #expect(options.hasOutput && options.isTerminal && !options.hasErrors)
        #expect(throws: KubeletRefusal(status: 400, message: "you must specify at least 1 of stdin, stdout, stderr")) {
            try CommandOptions([("command", "ls"), ("output", "true")])
        }
    }

    @Test("Protocols are chosen in the client's order")
    func protocols() {
        #expect(CommandProtocol.chosen(by: ["v9.channel.k8s.io", "v3.channel.k8s.io", "v4.channel.k8s.io"]) == .v3)
        #expect(CommandProtocol.chosen(by: []) == .v1)
        #expect(CommandProtocol.chosen(by: ["v9.channel.k8s.io"]) == nil)
        let served = ChannelProtocol.remoteCommand
        #expect(ChannelProtocol.chosen(of: served, by: ["x", "v4.base64.channel.k8s.io"])?.isBase64 == true)
        #expect(ChannelProtocol.chosen(of: served, by: ["v5.channel.k8s.io"])?.closesChannels == true)
        #expect(ChannelProtocol.chosen(of: ChannelProtocol.portForward, by: ["v5.channel.k8s.io"]) == nil)
    }

    @Test("Ports of a query")
    func ports() throws {
        #expect(try PortForwarding.ports([("port", "80,443"), ("port", "8080")]) == [80, 443, 8080])
        for query in [[], [("port", "0")], [("port", "80,")], [("port", "65536")], [("port", "-1")]]
            as [[(String, String)]]
        {
            #expect(throws: KubeletRefusal.self) { try PortForwarding.ports(query.map { (name: $0.0, value: $0.1) }) }
        }
    }

    @Test("Only streams with a type and a port come in")
    func streams() {
        func accepts(_ type: String?, _ port: String?) -> Bool {
            let headers = [("streamtype", type), ("port", port)].compactMap { name, value in
                value.map { SPDYHeader(name: name, value: $0) }
            }
            return PortForwarding.accepts(headers)
        }
        #expect(accepts("data", "80") && accepts("error", "65535"))
        #expect(!accepts("data", "0") && !accepts("data", nil) && !accepts(nil, "80") && !accepts("stdin", "80"))
        #expect(!accepts("data", "65536") && !accepts("data", "x"))
    }

    @Test("How a command ended, in the real kubelet's words")
    func status() {
        #expect(
            String(decoding: CommandEnd.success.object, as: UTF8.self).contains("\"status\":\"Success\""))
        let exit = String(decoding: CommandEnd(status: 3).object, as: UTF8.self)
        #expect(exit.contains("\"reason\":\"NonZeroExitCode\""))
        #expect(
            exit.contains("{\"message\":\"3\",\"reason\":\"ExitCode\"}")
                || exit.contains("{\"reason\":\"ExitCode\",\"message\":\"3\"}"))
        let failure = String(decoding: CommandEnd.failure("no \"x\"").object, as: UTF8.self)
        #expect(failure.contains("\"Internal error occurred: no \\\"x\\\"\"") && failure.contains("\"code\":500"))
        #expect(CommandEnd.success.text == [] && !CommandEnd.exit(1).text.isEmpty)
    }

    @Test("Sizes of a terminal come in any pieces")
    func sizes() {
        var reader = TerminalSizeReader()
        var sizes: [TerminalSize] = []
        for byte in "{\"Width\":80,\"Height\":24}\n{\"Width\":-1,\"Height\":1}x}{\"Width\":132,\"Height\":43}\n".utf8 {
            sizes += reader.read([byte])
        }
        #expect(sizes == [TerminalSize(columns: 80, rows: 24), TerminalSize(columns: 132, rows: 43)])
    }
}
