import NodeProtocol

extension AgentState {
    /// The end of an agent whose node ran out of memory. No fault intends that, so no fault excuses it.
    static let outOfMemory = "the node is out of memory, and its kernel killed it"

    var isOutOfMemory: Bool { ended?.hasSuffix(Self.outOfMemory) == true }

    /// The same, with the kernel's own account of a SIGKILL, if there is one (`Out of memory: Killed process PID
    /// (NAME)`, mm/oom_kill.c).
    /// - Parameters:
    ///   - before: What was last known of the agent. Its process id is needed.
    ///   - console: The last lines of the node's console.
    func named(after before: AgentState, console: @autoclosure () -> [String]) -> AgentState {
        guard !running, let ended, ended == "signal 9", let pid = pid ?? before.pid else { return self }
        guard console().contains(where: { $0.contains("Out of memory: Killed process \(pid) (") }) else { return self }
        return AgentState(
            running: false, pid: self.pid, ended: "\(ended): \(Self.outOfMemory)", lastLines: lastLines, starts: starts,
            wasAsked: wasAsked)
    }
}
