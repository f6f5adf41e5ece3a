"""What is nothing but thanks, and what only begins like it."""

import pytest

from review.courtesy import only_courtesy

THANKS = """
gracias
Gracias!!
GRACIAS
graciasss
Muchas gracias
Muchísimas gracias por todo
Muchas gracias, saludos, Ana
Muchas gracias por la ayuda, un saludo
Mil gracias 🙏
Gracias 😊😊
gracis
Grasias!
muhcas gracias
Hola, muchas gracias por su pronta respuesta. Saludos cordiales, Íñigo Etxeberria
Gracias Juanjo
gracias ana
Muchas gracias, Begoña.
Buenos días, gracias por la gestión. Que tengas buen día
perfecto, gracias
Perfecto
Ok
vale, gracias
👍
👌 gracias
De acuerdo, muchas gracias a todos
Ya funciona, gracias
ya me funciona todo perfectamente, mil gracias!!!
Ahora va bien, gracias
La impresora ya funciona, gracias
Confirmo que funciona. Saludos
Todo ok
todo solucionado, gracias equipo
Problema resuelto
Asunto resuelto, gracias
Pueden cerrar el ticket, gracias
ya puedes cerrarlo
Ya puedo entrar, gracias!
ya no me sale el error, muchas gracias
Sin problemas, gracias
Recibido, gracias
Entendido
Os agradezco mucho la rapidez
Sois los mejores, gracias
eres un crack!
Estupendo trabajo, gracias
No hace falta nada más, gracias
Gracias, <name>
thanks
Thanks!!
Thank you so much
thank you very much for your help
thnaks
Thansk!
thx
ty!
cheers mate
Perfect, thank you
perfect thank you
Great, works now. Thanks again!
It works like a charm, thanks a lot Siobhán!
All good now, thanks
All set, thanks team
That worked, thank you!
that's great, thanks for the quick reply
Sorted, many thanks
Got it, thank you
Issue resolved, thanks
You can close this ticket, thanks
please close the ticket
I can log in now, thank you
The VPN works again, thanks
Much appreciated
I really appreciate the quick response
Brilliant, cheers
Excellent work, thank you for your patience
No worries, thanks
Have a great weekend, thanks!
Thanks, Ana / Gracias
Noted, thanks
Thank youuuu
you're the best!
Thanks :)
ok thanks
Genial, muchísimas gracias por solucionarlo tan rápido
Perfecto, ya puedo acceder a la carpeta. Gracias
Agradecido por la atención prestada
Gracias x todo
Hola Marta, ya está, gracias!
Gracias, Sr. López
That did the trick, thanks!
Thank you kindly
"""

CONTENT = """
gracias pero sigue sin funcionar
Gracias, sigue igual
Muchas gracias, pero ahora no puedo imprimir
Gracias. No funciona
ya no funciona
Gracias, ya no puedo entrar
Gracias, funciona a ratos
gracias, la impresora va lenta
Gracias por nada
¿gracias?
Gracias, ¿cuándo lo arreglan?
ok, y lo otro?
perfecto, ahora falla la VPN
Muchas gracias, queda pendiente el segundo monitor
Gracias, necesito también acceso a Prisma
gracias. otra vez lo mismo
otra vez
Gracias, quedo a la espera
No cierren el ticket, gracias
no está resuelto
Gracias, por favor reabrir
Gracias. Impresora
gracias VPN
Gracias, funcionaba hasta ayer
Todo bien hasta que reinicié
Solucionado el correo, falta Teams
Hola
Buenas tardes
Saludos
.
👎
gracias 😡
Gracias :(
Ayuda, gracias
Gracias, Urge
Gracias. Urge
600 123 456
Gracias, mi número es el 4521
Gracias, me han vuelto a cortar
Gracias a vosotros se me ha borrado todo
no pasa nada
thanks but it still does not work
Thanks, still broken
thank you, however the error is back
it worked yesterday
It was working
it works sometimes
works but slow
not solved
It doesn't work
Thanks. Doesn't work.
thanks for nothing
Thanks, can you also reset my password
Thanks! What about the second account?
please help
thanks please help
I think so
Great, now the printer is offline
Perfect, except for the sound
do not close the ticket
Please don't close this
Thanks, reopen please
Thank you. Outlook
same issue again, thanks
You can close it when the toner arrives
all good except SAP, thanks
I can log in now but no files, thanks
OK so what now
Gracias, lo pruebo mañana y digo algo
todo igual
Vuelve a fallar
Ya funciona el correo, falta el móvil
ya puedo entrar a medias
It's working but the second monitor isn't
perfect, but only on chrome
fixed the wrong printer, thanks
Ticket closed without a fix
"""


SIGNED = ("Gracias.\n\nUn saludo,\nAna Pérez", "Muchas gracias\nAna", "Kind regards, and thank you,\nJohn Smith")


@pytest.mark.parametrize("text", [*THANKS.strip().splitlines(), *SIGNED])
def test_thanks_ask_for_nothing(text: str) -> None:
    assert only_courtesy(text)


@pytest.mark.parametrize("text", CONTENT.strip().splitlines())
def test_what_asks_for_something_is_heard(text: str) -> None:
    assert not only_courtesy(text)


@pytest.mark.parametrize("text", ["gracias patxi", "Perfecto!\n\nGracias 👍\n\nPatxi", "thanks Xochitl.Rubio", "Xochitl"])
def test_names_at_the_desk_are_known(text: str) -> None:
    assert only_courtesy(text, ("Patxi Arana", "xochitl.rubio")) is (text != "Xochitl")


def test_a_long_text_says_something_and_nothing_takes_long() -> None:
    assert not only_courtesy("gracias " * 200)
    assert not only_courtesy("ya esta todo " * 45 + "x")
    assert not only_courtesy("it is it s that s all now be just " * 15)
