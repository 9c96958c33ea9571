import Foundation
import Glibc
import NodeProtocol
import Testing

@testable import NodeRuntime

/// The runtime passes the agent's bytes on unchanged.
@Suite struct AgentSocketTests {
    /// Listens on a socket, reads one request line, sends these chunks and hangs up.
    private func withAgent<Result>(
        sending chunks: [[UInt8]], _ body: (_ path: String) throws -> Result
    ) throws -> Result {
        let path = NSTemporaryDirectory() + "labrun-agent-\(UInt32.random(in: 0...UInt32.max)).sock"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        try #require(bytes.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 1) == 0)
        defer {
            close(listener)
            unlink(path)
        }
        Thread.detachNewThread {
            let peer = accept(listener, nil, nil)
            guard peer >= 0 else { return }
            var byte: UInt8 = 0
            while read(peer, &byte, 1) == 1, byte != 10 {}
            for chunk in chunks { _ = send(peer, chunk, chunk.count, Int32(MSG_NOSIGNAL)) }
            close(peer)
        }
        return try body(path)
    }

    @Test(
        "bytes come back unread",
        arguments: [
            [Array(#"{"result":"\u00e9 \"quoted\""}"#.utf8) + [10]],
            [[0xFF, 0xFE, 0x00, 0x22], [0x5C, 0x0D, 10]],
            [[10]],
        ])
    func reply(chunks: [[UInt8]]) throws {
        let reply = try withAgent(sending: chunks) {
            try AgentSocket.call("{\"method\":\"status\"}", path: $0, within: .seconds(10))
        }
        #expect(reply == chunks.flatMap { $0 }.dropLast())
        // The bytes are neither text nor escaped. The frame carries the same bytes.
        let frame = try Frame.reply(.agentReply, blob: reply, session: 1, id: 2)
        var decoder = FrameDecoder()
        decoder.append(try #require(frame.encoded))
        #expect(decoder.next()?.blob == reply)
    }

    @Test func `an unfinished reply is none`() throws {
        let failure = try withAgent(sending: [[0x7B]]) { path in
            #expect(throws: NodeFailure.self) { try AgentSocket.call("{}", path: path, within: .seconds(10)) }
        }
        #expect(failure?.code == "agent-unreachable")
        #expect(failure?.message.contains("after 1 bytes of an unfinished reply") == true)
    }
}
