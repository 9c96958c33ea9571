import Foundation
import Glibc
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
}
