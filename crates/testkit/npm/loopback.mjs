// Loaded before a server (`node --import`): it listens on a free port of 127.0.0.1, whatever it asked for, and says
// which. Tests never open a port to the network, and never race for one.
import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (_address, ...rest) {
  this.once("listening", () => console.log(`listening on port ${this.address().port}`));
  const listening = rest.findLast((argument) => typeof argument === "function");
  return listen.call(this, { host: "127.0.0.1", port: 0 }, listening);
};
