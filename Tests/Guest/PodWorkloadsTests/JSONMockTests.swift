import Foundation
import JSON
import Prober
import Testing

@testable import PodWorkloads

@Suite struct JSONMockTests {
    private func ask(
        _ mock: JSONMock, _ method: String, _ target: String, _ body: String = ""
    ) throws -> (status: Int, value: JSONValue, delay: Duration) {
        let answer = mock.answer(WebRequest(method: method, target: target, body: Array(body.utf8)))
        return (answer.status, try JSONText.value(of: answer.body), answer.delay)
    }

    @Test func `documents are read, added, changed and removed`() throws {
        let mock = JSONMock(environment: [:])
        #expect(try ask(mock, "GET", "/posts").value.elements?.count == 1)
        let made = try ask(mock, "POST", "/posts", #"{"title": "new"}"#)
        #expect(made.status == 201 && made.value["id"]?.integerValue == 2)
        #expect(try ask(mock, "GET", "/posts/2").value["title"]?.text == "new")
        #expect(try ask(mock, "PATCH", "/posts/2", #"{"author": "me"}"#).value["title"]?.text == "new")
        #expect(try ask(mock, "PUT", "/posts/2", #"{"author": "me"}"#).value["title"] == nil)
        #expect(try ask(mock, "DELETE", "/posts/2").status == 200)
        #expect(try ask(mock, "GET", "/posts/2").status == 404)
        #expect(try ask(mock, "GET", "/public").value.elements?.first?["body"]?.text == "public information")
    }

    @Test func `answers are slow or wrong when asked for`() throws {
        let mock = JSONMock(environment: [:])
        #expect(try ask(mock, "GET", "/posts?status=503").status == 503)
        #expect(try ask(mock, "GET", "/status/418").status == 418)
        #expect(try ask(mock, "GET", "/delay/250").delay == .milliseconds(250))
        #expect(try ask(mock, "GET", "/posts?delay=40").delay == .milliseconds(40))
        let broken = JSONMock(environment: ["STATUS": "500", "DELAY_MS": "10"])
        let answer = try ask(broken, "GET", "/posts")
        #expect(answer.status == 500 && answer.delay == .milliseconds(10))
        #expect(try ask(broken, "GET", "/posts?status=200").status == 200)
    }

    @Test(arguments: [
        ("GET", "/nothing", "", 404), ("POST", "/posts", "[1]", 400), ("POST", "/posts", "{", 400),
        ("POST", "/public", "{}", 405), ("DELETE", "/posts", "", 405), ("GET", "/posts/x", "", 404),
        ("GET", "/status/999", "", 400), ("GET", "/delay/99999999", "", 400), ("PUT", "/posts/9", "{}", 404),
    ])
    func `what cannot be is refused`(_ method: String, _ target: String, _ body: String, _ status: Int) throws {
        #expect(try ask(JSONMock(environment: [:]), method, target, body).status == status)
    }

    @Test func `a collection does not grow without end`() throws {
        let mock = JSONMock(environment: [:])
        for _ in 0..<999 { _ = try ask(mock, "POST", "/posts", "{}") }
        #expect(try ask(mock, "POST", "/posts", "{}").status == 507)
    }
}
