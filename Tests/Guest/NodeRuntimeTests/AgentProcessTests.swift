import Foundation
import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization
import Testing

@testable import NodeRuntime

@Suite struct AgentProcessTests {
    /// The host believes the last event it gets. An end that is told after the next start would make it take a running
    /// agent for one that has ended.
    @Test func `the end of an agent is told before the start of the next one`() throws {
        let told = Mutex<[AgentState]>([])
        let nextStarted = DispatchSemaphore(value: 0)
        let agent = AgentProcess(children: ChildProcesses(reapsAll: false)) { event in
            guard case .agent(let state) = event else { return }
            if state.running, state.starts > 1 { nextStarted.signal() }
            // The thread that tells the end is slow, as on a busy host. It goes on at once when a start overtakes it.
            if !state.running { _ = nextStarted.wait(timeout: .now() + 0.3) }
            told.withLock { $0.append(state) }
        }
        for _ in 1...3 {
            _ = try agent.start(["/bin/sleep", "60"])
            #expect(try agent.stop(signal: SIGTERM).running == false)
        }
        #expect(told.withLock { $0.map(\.running) } == [true, false, true, false, true, false])
        #expect(told.withLock { $0.map(\.starts) } == [1, 1, 2, 2, 3, 3])
    }

    /// A container hears all of its agent's output before its end, and the host hears whether the end was asked for.
    @Test(arguments: [true, false]) func `a container hears of its agent`(_ isAsked: Bool) throws {
        let agent = AgentProcess(children: ChildProcesses(reapsAll: false)) { _ in }
        let output = Mutex<[UInt8]>([])
        let status = Mutex<LinuxKernel.ExitStatus?>(nil)
        let (started, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let listener = AgentProcess.Listener(
            wrote: { bytes in
                output.withLock { $0 += bytes }
                started.signal()
            },
            ended: { end, lines in
                status.withLock { $0 = end }
                #expect(lines == ["begun", "over"])
                ended.signal()
            })
        let script = "trap 'echo over; exit 3' TERM; echo begun; while :; do sleep 0.01; done"
        try agent.start(["/bin/sh", "-c", script], listener: listener)
        #expect(started.wait(timeout: .now() + 10) == .success)
        if isAsked { agent.ask(signal: SIGTERM) } else { _ = try agent.stop(signal: SIGTERM) }
        #expect(ended.wait(timeout: .now() + 10) == .success)
        #expect(status.withLock { $0 } == .exited(3))
        #expect(String(decoding: output.withLock { $0 }, as: UTF8.self) == "begun\nover\n")
        #expect(agent.current.wasAsked == isAsked)
        #expect(agent.processIdentifier == nil)
    }
}
