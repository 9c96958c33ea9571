import Foundation
import LinuxKernel
import RunEvents

/// Writes events as JSON lines, in order, on a queue of its own, so that a slow reader never holds a task up.
final class EventPipe: Sendable {
    private let queue = DispatchQueue(label: "events")
    private let channels: LabHostChannels

    init(_ channels: LabHostChannels) { self.channels = channels }

    func write(_ event: RunEvent) {
        queue.async { [channels] in
            guard var bytes = try? EventLine.encode(event) else { return }
            bytes.append(0x0A)
            // A reader that is gone needs no events; its lifeline ends this process.
            try? channels.emit(Array(bytes))
        }
    }

    /// Returns when everything was written.
    func finish() { queue.sync {} }
}
