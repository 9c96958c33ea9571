import NodeProtocol
import Testing

@testable import Lab

/// An agent that the kernel killed for want of memory is distinguished from one that a fault killed.
@Suite struct AgentMemoryTests {
    private func state(_ ended: String?, pid: Int32? = nil) -> AgentState {
        AgentState(running: ended == nil, pid: pid, ended: ended, lastLines: ["last"], starts: 2)
    }

    private let console = [
        "labnode: runtime ready, uptime 4639 ms",
        "[   37.48] Out of memory: Killed process 144 (datapathd) total-vm:25616kB, anon-rss:1324kB",
    ]

    @Test func theKernelsAccountIsTaken() {
        let named = state("signal 9").named(after: state(nil, pid: 144), console: console)
        #expect(named.isOutOfMemory)
        #expect(named.ended == "signal 9: the node is out of memory, and its kernel killed it")
        #expect(named.lastLines == ["last"] && named.starts == 2)
    }

    @Test func othersKeepTheirs() {
        #expect(!state("signal 9").named(after: state(nil, pid: 14), console: console).isOutOfMemory)
        #expect(!state("signal 9").named(after: state(nil, pid: 144), console: []).isOutOfMemory)
        #expect(!state("signal 15").named(after: state(nil, pid: 144), console: console).isOutOfMemory)
        #expect(!state("exit 1").named(after: state(nil, pid: 144), console: console).isOutOfMemory)
        #expect(!state(nil, pid: 144).named(after: state(nil, pid: 144), console: console).isOutOfMemory)
    }
}
