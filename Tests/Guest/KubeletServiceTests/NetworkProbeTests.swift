import Glibc
import Kubelet
import LinuxKernel
import Testing

@testable import KubeletService

func onThread(_ body: @escaping @Sendable () throws -> Void) async throws { try await onOwnThread("test", body) }

/// Answers each connection with a text, or never.
private final class Answering: Sendable {
    let port: UInt16
    private let listener: Int32

    init(_ answer: String?) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = listener
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(number, $0, length)
                _ = listen(number, 8)
                _ = getsockname(number, $0, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        startThread("answering") {
            while true {
                let connection = accept(number, nil, nil)
                guard connection >= 0 else { return }
                guard let answer else { continue }
                var request = [UInt8](repeating: 0, count: 4096)
                _ = read(connection, &request, request.count)
                _ = answer.withCString { write(connection, $0, strlen($0)) }
                close(connection)
            }
        }
    }

    func end() { shutdown(listener, Int32(SHUT_RDWR)) }
}

@Suite struct NetworkProbeTests {
    private func http(_ port: UInt16, within limit: Duration = .seconds(5)) async -> ProbeOutcome {
        await NetworkProbe.http(
            isTLS: false, host: "127.0.0.1", port: port, path: "healthz", headers: [["X-A", "b"]], within: limit)
    }

    @Test(arguments: [
        (200, ProbeOutcome.success), (204, .success),
        (399, .warning("Probe terminated redirects, Response body: ")),
        (304, .warning("Probe terminated redirects, Response body: ")),
        (308, .warning("Probe terminated redirects, Response body: ")),
        (400, .failure("HTTP probe failed with statuscode: 400")),
        (503, .failure("HTTP probe failed with statuscode: 503")),
    ])
    func `a status decides`(_ status: Int, _ outcome: ProbeOutcome) async throws {
        let server = try Answering("HTTP/1.1 \(status) X\r\nContent-Length: 0\r\n\r\n")
        defer { server.end() }
        #expect(await http(server.port) == outcome)
    }

    @Test func `a redirect is followed within its host, and only there`() async throws {
        func redirect(_ location: String) throws -> Answering {
            try Answering("HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 4\r\n\r\nmove")
        }
        let good = try Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let bad = try Answering("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
        let toGood = try redirect("http://127.0.0.1:\(good.port)/there")
        let toBad = try redirect("//127.0.0.1:\(bad.port)")
        let away = try redirect("http://127.0.0.2:\(bad.port)/")
        let round = try redirect("/again")
        defer { for server in [good, bad, toGood, toBad, away, round] { server.end() } }
        #expect(await http(toGood.port) == .success)
        #expect(await http(toBad.port) == .failure("HTTP probe failed with statuscode: 500"))
        #expect(await http(away.port) == .warning("Probe terminated redirects, Response body: move"))
        #expect(
            await http(round.port)
                == .failure("Get \"http://127.0.0.1:\(round.port)/again\": stopped after 10 redirects"))
    }

    @Test func `a redirect without a place is a failure`() async throws {
        let server = try Answering("HTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n")
        defer { server.end() }
        #expect(
            await http(server.port)
                == .failure("Get \"http://127.0.0.1:\(server.port)/healthz\": 301 response missing Location header"))
    }

    @Test func `a large body is cut`() async throws {
        let body = String(repeating: "x", count: 100_000)
        let server = try Answering("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n\(body)")
        defer { server.end() }
        #expect(await http(server.port) == .success)
    }

    @Test func `what is no HTTP fails`() async throws {
        let server = try Answering("SSH-2.0-x\r\n")
        defer { server.end() }
        guard case .failure(let words) = await http(server.port) else {
            Issue.record("no failure")
            return
        }
        #expect(words.hasPrefix("Get \"http://127.0.0.1:\(server.port)/healthz\": "))
    }

    @Test func `silence is a timeout in Go's words`() async throws {
        let server = try Answering(nil)
        defer { server.end() }
        let words =
            "Get \"http://127.0.0.1:\(server.port)/healthz\": context deadline exceeded "
            + "(Client.Timeout exceeded while awaiting headers)"
        #expect(await http(server.port, within: .milliseconds(200)) == .failure(words))
    }

    @Test func `a closed port is refused in Go's words`() async throws {
        let server = try Answering(nil)
        let port = server.port
        #expect(await NetworkProbe.tcp(host: "127.0.0.1", port: port, within: .seconds(5)) == .success)
        server.end()
        let words = "dial tcp 127.0.0.1:\(port): connect: connection refused"
        #expect(await NetworkProbe.tcp(host: "127.0.0.1", port: port, within: .seconds(5)) == .failure(words))
        #expect(await http(port) == .failure("Get \"http://127.0.0.1:\(port)/healthz\": \(words)"))
    }

    @Test func `names are not looked up`() async {
        #expect(
            await NetworkProbe.tcp(host: "web.shop", port: 80, within: .seconds(1))
                == .failure("dial tcp web.shop:80: lookup web.shop: no such host"))
    }
}
